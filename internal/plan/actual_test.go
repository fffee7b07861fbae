package plan_test

import (
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// TestPublicKeyOf: the device's word is taken for the key that it has, clamped or
// not, and for no other.
func TestPublicKeyOf(t *testing.T) {
	private, marker := schema.Key{1, 31: 0xff}, schema.Key{0xaa}
	for _, tt := range []struct {
		name string
		have plan.Actual
		want schema.Key
	}{
		{"the same key", plan.Actual{PrivateKey: private, PublicKey: marker}, marker},
		{"as the kernel keeps it", plan.Actual{PrivateKey: private.Clamped(), PublicKey: marker}, marker},
		{"another key", plan.Actual{PrivateKey: schema.Key{64}, PublicKey: marker}, private.PublicKey()},
		{"no device", plan.Actual{}, private.PublicKey()},
		{"a device that does not tell", plan.Actual{PrivateKey: private}, private.PublicKey()},
	} {
		if got := tt.have.PublicKeyOf(private); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
