package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOwner(t *testing.T) {
	for symbol, want := range map[string]string{
		"net.(*Resolver).lookup":                 "net",
		"net/netip.Addr.String":                  "net/netip",
		"nettle.x":                               "others",
		"net/http.x":                             "net",
		"main.run":                               "this project",
		"github.com/wgnetifd/wgnetifd/uci.Parse": "this project",
		"type:.eq.github.com/wgnetifd/wgnetifd/internal/plan.Peer": "this project",
		"vendor/golang.org/x/net/dns/dnsmessage.x":                 "x/net, x/crypto, x/sync",
		"golang.org/x/sys/unix.Open":                               "x/sys",
		"crypto/internal/fips140/nistec.x":                         "crypto",
		"runtime.mallocgc":                                         "Go's runtime",
		"runtime/debug.x":                                          "Go's runtime",
		"internal/runtime/maps.x":                                  "Go's runtime",
		"strings.Cut":                                              "others",
	} {
		if got := owner(symbol); got != want {
			t.Errorf("%s: got %q, want %q", symbol, got, want)
		}
	}
}

// TestTable: the table of this project has every architecture once, and those with
// one environment stand together.
func TestTable(t *testing.T) {
	groups, err := readTable("../../" + table)
	if err != nil {
		t.Fatal(err)
	}
	names, environments := map[string]bool{}, map[string]bool{}
	for _, g := range groups {
		if environments[g.environment] {
			t.Errorf("%s stands there twice", g.environment)
		}
		environments[g.environment] = true
		for _, name := range g.names {
			if names[name] {
				t.Errorf("%s stands there twice", name)
			}
			names[name] = true
		}
	}
	if !names[reference] {
		t.Errorf("no %s", reference)
	}
}

func TestDigits(t *testing.T) {
	got := []string{digits(0), digits(999), digits(1000), digits(4391069)}
	if diff := cmp.Diff([]string{"0", "999", "1,000", "4,391,069"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
