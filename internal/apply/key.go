package apply

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// NewPrivateKey makes a private key as wg(8) does.
func NewPrivateKey() schema.Key {
	k := NewPresharedKey()
	// The bits that RFC 7748 fixes in a scalar of X25519.
	k[0] &= 248
	k[31] = k[31]&127 | 64
	return k
}

// NewPresharedKey makes a preshared key: 32 random bytes.
func NewPresharedKey() schema.Key {
	var k schema.Key
	// Read never fails; see crypto/rand.
	_, _ = rand.Read(k[:])
	return k
}

// EnsureKey returns the private key of the interface, and makes and saves one
// where it is missing, empty or 'generate'. It looks again under the lock of the
// file: of two processes that find no key, one makes it and both use it.
func EnsureKey(dir uci.Dir, iface string) (schema.Key, error) {
	key, err := ensureSaved(dir, iface)
	if err != nil && !errors.Is(err, schema.ErrNoInterface) {
		return schema.Key{}, noKey(iface, err)
	}
	// Changes that nobody committed yet may have the interface, or say 'generate',
	// over the file: then the key goes where they are.
	pkg, err := dir.Load(schema.PackageName)
	if err != nil {
		return schema.Key{}, noKey(iface, err)
	}
	if s := pkg.Section(iface); s != nil {
		if v, _ := s.Get("private_key"); v == key.String() {
			return key, nil
		}
	}
	if key.IsZero() {
		key = NewPrivateKey()
	}
	if err := stage(dir, iface, key); err != nil {
		return schema.Key{}, noKey(iface, err)
	}
	return key, nil
}

func noKey(iface string, err error) error {
	return fmt.Errorf("network.%s.private_key: there is none, and a new one cannot be saved: %w", iface, err)
}

// ensureSaved works on the committed file alone: committing what others have
// staged is not ours to do.
func ensureSaved(dir uci.Dir, iface string) (key schema.Key, err error) {
	err = dir.Edit(schema.PackageName, func(p *uci.Package) error {
		s := p.Section(iface)
		if s == nil {
			return schema.ErrNoInterface
		}
		v, _ := s.Get("private_key")
		if v = strings.TrimSpace(v); v != "" && v != schema.GenerateKey {
			key, err = schema.ParseKey(v)
			return err
		}
		key = NewPrivateKey()
		s.Set("private_key", key.String())
		return nil
	})
	return key, err
}

func stage(dir uci.Dir, iface string, key schema.Key) error {
	c, err := dir.Open(schema.PackageName)
	if err != nil {
		return err
	}
	if err := c.Set(iface, "private_key", key.String()); err != nil {
		return err
	}
	return c.Save()
}
