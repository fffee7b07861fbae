package rtnl

import (
	"errors"
	"slices"
)

var _ Ruler = (*Fake)(nil)

// PutRule makes a rule, which is not recorded as a write.
func (f *Fake) PutRule(r Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.putRule(r)
}

func (f *Fake) putRule(r Rule) {
	if !slices.Contains(f.rules, r) {
		f.rules = insertRule(f.rules, r)
	}
}

// Rules implements Ruler.
func (f *Fake) Rules() ([]Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpRules}); err != nil {
		return nil, err
	}
	return slices.Clone(f.rules), nil
}

// PutOtherTables makes rules of somebody else's that look tables up.
func (f *Fake) PutOtherTables(tables ...uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tables = slices.Clone(tables)
}

// OtherTables implements Ruler.
func (f *Fake) OtherTables() ([]uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Write{Op: OpRules}); err != nil {
		return nil, err
	}
	return slices.Clone(f.tables), nil
}

// AddRule implements Ruler.
func (f *Fake) AddRule(rules ...Rule) error {
	return f.eachRule(OpAddRule, rules, f.putRule)
}

// DeleteRule implements Ruler.
func (f *Fake) DeleteRule(rules ...Rule) error {
	return f.eachRule(OpDeleteRule, rules, func(r Rule) {
		f.rules = slices.DeleteFunc(f.rules, func(have Rule) bool { return have == r })
	})
}

func (f *Fake) eachRule(op Op, rules []Rule, do func(Rule)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, r := range rules {
		if err := f.begin(Write{Op: op, Rule: r}); err != nil {
			errs = append(errs, err)
			continue
		}
		do(r)
	}
	return errors.Join(errs...)
}
