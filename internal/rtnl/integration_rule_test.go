package rtnl_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/rtnl"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

// shownRules returns what `ip rule` says of a family.
func shownRules(t *testing.T, h *netns.Host, family string) string {
	t.Helper()
	out, err := h.Command(need.Command(t, "ip"), family, "rule").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRules(t *testing.T) {
	tests := []struct {
		name  string
		rule  rtnl.Rule
		shown string // by `ip rule`, in words
	}{
		{
			name:  "a service of the router itself",
			rule:  rtnl.Rule{Priority: 8787, Table: 8787, IPProto: unix.IPPROTO_UDP, FirstPort: 123, LastPort: 123, Incoming: rtnl.Router},
			shown: "8787: from all iif lo ipproto udp dport 123 lookup 8787 proto 87",
		},
		{
			name:  "ports, of whoever comes in by a device",
			rule:  rtnl.Rule{Priority: 7, Table: 100, IPProto: unix.IPPROTO_TCP, FirstPort: 1000, LastPort: 2000, Incoming: "lan"},
			shown: "7: from all iif lan ipproto tcp dport 1000-2000 lookup 100 proto 87",
		},
		{
			name:  "a device that is not there",
			rule:  rtnl.Rule{Priority: 7, Table: 100, Incoming: "fifteencharname"},
			shown: "7: from all iif fifteencharname [detached] lookup 100 proto 87",
		},
		{
			name:  "everything",
			rule:  rtnl.Rule{Priority: 40000, Table: 300},
			shown: "40000: from all lookup 300 proto 87",
		},
	}
	for _, tt := range tests {
		for _, family := range []string{"-4", "-6"} {
			t.Run(tt.name+" "+family, func(t *testing.T) {
				inHost(t, func(h *netns.Host, k *rtnl.System) {
					before := shownRules(t, h, family)
					rule := tt.rule
					rule.IPv6 = family == "-6"
					for range 2 { // the second time it is there already
						if err := k.AddRule(rule); err != nil {
							t.Fatal(err)
						}
					}
					if got, err := k.Rules(); err != nil || !slices.Equal(got, []rtnl.Rule{rule}) {
						t.Errorf("read back: %v, %v; want %v alone", got, err, rule)
					}
					var lines []string
					for line := range strings.Lines(shownRules(t, h, family)) {
						if !strings.Contains(before, line) {
							lines = append(lines, strings.Join(strings.Fields(line), " "))
						}
					}
					// Where there is no /etc/protocols, ip knows no names.
					got := strings.NewReplacer("ipproto-17", "udp", "ipproto-6", "tcp").Replace(strings.Join(lines, "\n"))
					if got != tt.shown {
						t.Errorf("ip shows %q, want %q", got, tt.shown)
					}
					for range 2 { // the second time it is gone already
						if err := k.DeleteRule(rule); err != nil {
							t.Fatal(err)
						}
					}
					if after := shownRules(t, h, family); after != before {
						t.Errorf("rules that are left:\n%s\nbefore:\n%s", after, before)
					}
				})
			})
		}
	}
}

// TestRulesOfOthers: they are neither read nor deleted, not even the same ones.
func TestRulesOfOthers(t *testing.T) {
	ip := need.Command(t, "ip")
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		rule := rtnl.Rule{Priority: 8787, Table: 8787, IPProto: unix.IPPROTO_UDP, FirstPort: 53, LastPort: 53, Incoming: rtnl.Router}
		for _, args := range []string{
			"rule add pref 8787 iif lo ipproto 17 dport 53 lookup 8787",
			"rule add pref 8787 iif lo ipproto 17 dport 53 lookup 8787 proto static",
			"rule add pref 100 fwmark 7 lookup 100",
		} {
			if out, err := h.Command(ip, strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		before := shownRules(t, h, "-4")
		if got, err := k.Rules(); err != nil || len(got) != 0 {
			t.Errorf("%v, %v; want none", got, err)
		}
		if got, err := k.OtherTables(); err != nil || !slices.Equal(got, []uint32{100, 8787}) {
			t.Errorf("tables of others: %v, %v", got, err)
		}
		if err := k.DeleteRule(rule, rtnl.Rule{Priority: 100, Table: 100}); err != nil {
			t.Fatal(err)
		}
		if after := shownRules(t, h, "-4"); after != before {
			t.Errorf("%s\nbefore:\n%s", after, before)
		}
		for range 2 {
			if err := k.AddRule(rule); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := k.Rules(); err != nil || !slices.Equal(got, []rtnl.Rule{rule}) {
			t.Errorf("beside the same of others: %v, %v; want %v", got, err, rule)
		}
		if err := k.DeleteRule(rule); err != nil {
			t.Fatal(err)
		}
		if after := shownRules(t, h, "-4"); after != before {
			t.Errorf("%s\nbefore:\n%s", after, before)
		}
	})
}

// TestNoOtherTables: neither the kernel's rules nor ours are somebody else's.
func TestNoOtherTables(t *testing.T) {
	ip := need.Command(t, "ip")
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		if err := k.AddRule(rtnl.Rule{Priority: 7, Table: 100}); err != nil {
			t.Fatal(err)
		}
		for _, args := range []string{"rule add pref 90 fwmark 7 lookup main", "rule add pref 91 fwmark 7 unreachable"} {
			if out, err := h.Command(ip, strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if got, err := k.OtherTables(); err != nil || len(got) > 0 {
			t.Errorf("%v, %v; want none", got, err)
		}
		if out, err := h.Command(ip, "-6", "rule", "add", "pref", "9", "iif", "lan", "lookup", "70000").CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
		if got, err := k.OtherTables(); err != nil || !slices.Equal(got, []uint32{70000}) {
			t.Errorf("%v, %v; want 70000", got, err)
		}
	})
}

// TestRefusedRule keeps none of the others from being made.
func TestRefusedRule(t *testing.T) {
	inHost(t, func(h *netns.Host, k *rtnl.System) {
		good := rtnl.Rule{IPv6: true, Priority: 7, Table: 100}
		bad := rtnl.Rule{Priority: 7, Table: 100, FirstPort: 2, LastPort: 1}
		err := k.AddRule(bad, good)
		if err == nil || !strings.Contains(err.Error(), "add routing rule "+bad.String()) {
			t.Errorf("%v, want an error about %v", err, bad)
		}
		if got, err := k.Rules(); err != nil || !slices.Equal(got, []rtnl.Rule{good}) {
			t.Errorf("%v, %v; want %v", got, err, good)
		}
	})
}
