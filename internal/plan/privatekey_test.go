package plan_test

import (
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// TestPrivateKeyOfOthers: a private key with bits that WireGuard clamps is not
// written again and again, each time ending every session: the kernel compares
// what is written with the clamped key that it keeps.
func TestPrivateKeyOfOthers(t *testing.T) {
	raw := schema.Key{0: 0xff, 7: 0x5a, 31: 0xff}
	kept := schema.Key{0: 0xf8, 7: 0x5a, 31: 0x7f}
	if raw.PublicKey() != kept.PublicKey() {
		t.Fatal("these are different keys")
	}
	conf := &schema.Interface{Name: "wg0", PrivateKey: raw}
	want := plan.For(conf, plan.Facts{Budget: plan.RouteBudget})
	have := plan.Actual{Exists: true}
	first := plan.Diff(want, &have, nil, time.Unix(0, 0))
	if first.PrivateKey == nil {
		t.Error("not written at first")
	}
	have.PrivateKey = kept
	if c := plan.Diff(want, &have, nil, time.Unix(0, 0)); !c.Empty() {
		t.Errorf("written again: %+v", c)
	}
}
