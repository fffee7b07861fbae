package packager

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/apk"
	"github.com/wgnetifd/wgnetifd/internal/packager/usign"
)

// Keys sign the feeds: one for opkg, one for apk.
type Keys struct {
	Opkg *usign.SecretKey
	Apk  *apk.Key
}

// The files of a folder of keys. The public halves are called as routers have them:
// for opkg by the key's number, for apk as one likes.
const (
	opkgSecret = "opkg.sec"
	apkSecret  = "apk.sec.pem"
	apkPublic  = "wgnetifd.pem"
)

func (k *Keys) apkKey() *apk.Key {
	if k == nil {
		return nil
	}
	return k.Apk
}

// NewKeys makes keys in a folder that only the user may enter. It writes over none,
// and not into the checkout: a key that is committed once is known for ever.
func NewKeys(dir, checkout string) (*Keys, error) {
	inside, err := within(dir, checkout)
	if err != nil {
		return nil, err
	}
	if inside {
		return nil, fmt.Errorf("%s is in the checkout: keep keys elsewhere", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, opkgSecret)); err == nil {
		return nil, fmt.Errorf("%s has keys already: a feed keeps its key, routers know it", dir)
	}
	k := &Keys{}
	if k.Opkg, err = usign.Generate(rand.Reader); err != nil {
		return nil, err
	}
	if k.Apk, err = apk.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	text, err := k.Apk.Marshal()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{
		opkgSecret: k.Opkg.Marshal("secret key " + k.Opkg.Number.String()),
		apkSecret:  text,
	} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = f.Write(data)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return k, k.writePublic(dir)
}

func within(dir, checkout string) (bool, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	checkout, err = filepath.Abs(checkout)
	if err != nil {
		return false, err
	}
	return dir == checkout || strings.HasPrefix(dir, checkout+string(filepath.Separator)), nil
}

// ReadKeys reads the keys of a folder; nil without an error: it has none.
func ReadKeys(dir string) (*Keys, error) {
	text, err := os.ReadFile(filepath.Join(dir, opkgSecret))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k := &Keys{}
	if k.Opkg, err = usign.ParseSecret(text); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, opkgSecret), err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, apkSecret)); err != nil {
		return nil, err
	}
	if k.Apk, err = apk.ParseKey(text); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, apkSecret), err)
	}
	return k, nil
}

// writePublic writes the halves that routers need.
func (k *Keys) writePublic(dir string) error {
	text, err := k.Apk.Public().Marshal()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	number := k.Opkg.Number.String()
	return errors.Join(
		os.WriteFile(filepath.Join(dir, number), k.Opkg.Public().Marshal("public key "+number), 0o644),
		os.WriteFile(filepath.Join(dir, apkPublic), text, 0o644),
	)
}
