package rtnl

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var _ Ruler = (*System)(nil)

// Rules implements Ruler.
func (s *System) Rules() ([]Rule, error) {
	var out []Rule
	err := s.eachMessage(func(b []byte) error {
		r, ok, err := parseRule(b)
		if ok {
			out = insertRule(out, r)
		}
		return err
	})
	return out, err
}

// OtherTables implements Ruler.
func (s *System) OtherTables() ([]uint32, error) {
	var out []uint32
	err := s.eachMessage(func(b []byte) error {
		table, ok, err := parseOther(b)
		if ok && !slices.Contains(out, table) {
			out = append(out, table)
		}
		return err
	})
	return out, err
}

// eachMessage calls each for what the kernel says of every rule of both families.
func (s *System) eachMessage(each func(message []byte) error) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
		list, err := consistent(func() ([][]byte, error) {
			return s.links.Execute(unix.RTM_GETRULE, unix.NLM_F_DUMP, msg)
		})
		if isAny(err, noFamily) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list the routing rules: %w", advise(err))
		}
		for _, b := range list {
			if err := each(b); err != nil {
				return fmt.Errorf("list the routing rules: %w", err)
			}
		}
	}
	return nil
}

// noFamily is what a kernel says that has no IPv6, or no rules for a family.
var noFamily = []error{unix.EAFNOSUPPORT, unix.EOPNOTSUPP}

// AddRule implements Ruler.
func (s *System) AddRule(rules ...Rule) error {
	return s.eachRule("add", rules, unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, unix.EEXIST)
}

// DeleteRule implements Ruler.
func (s *System) DeleteRule(rules ...Rule) error {
	return s.eachRule("delete", rules, unix.RTM_DELRULE, 0, append([]error{unix.ENOENT}, noFamily...)...)
}

// eachRule sends a message about each of the rules. Errors that match one of fine
// are none.
func (s *System) eachRule(what string, rules []Rule, kind, flags int, fine ...error) error {
	var errs []error
	for n := range rules {
		_, err := s.links.Execute(kind, flags|unix.NLM_F_ACK, rules[n].data()...)
		if err != nil && !isAny(err, fine) {
			errs = append(errs, fmt.Errorf("%s routing rule %v: %w", what, rules[n], advise(err)))
		}
	}
	return errors.Join(errs...)
}
