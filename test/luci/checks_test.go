package luci

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// ownKey is the interface's private key wherever a case names none.
const ownKey = "4CcOGxDDnwEB9cD+Vi7BKQVNH9NYQIF2YMFsF3jLN1E="

// otherKey is the public key of a peer whose case is about something else.
const otherKey = "WrkAZlQ3tkfcvGlBVOs4EPjCGdTSMSYV9Ig0yOwqZlc="

// checks is testdata/checks.json: what is said of values. The pages' own tests
// read it too (unit/check.test.mjs), so that a field in the browser says what
// the backend says.
type checks struct {
	Options []struct{ Section, Option, Value, Level, Text string }
	Peers   []struct {
		Name  string
		Peers []map[string]any
		Want  []struct {
			Peer                       int
			Option, Value, Level, Text string
		}
	}
}

func readChecks(t *testing.T) (c checks) {
	t.Helper()
	data, err := os.ReadFile("testdata/checks.json")
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOptionChecks(t *testing.T) {
	for _, tt := range readChecks(t).Options {
		var b strings.Builder
		option(&b, "config interface 'wg0'\n\toption proto 'wireguard'\n", nil)
		if tt.Section == "interface" {
			if tt.Option != "private_key" {
				option(&b, "private_key", ownKey)
			}
			option(&b, tt.Option, tt.Value)
		} else {
			option(&b, "private_key", ownKey)
			b.WriteString("config wireguard_wg0\n")
			if tt.Option != "public_key" {
				option(&b, "public_key", otherKey)
			}
			option(&b, tt.Option, tt.Value)
		}
		got := "" // the first, and of those with a level the first that costs something
		for _, p := range load(t, b.String()).Problems {
			if p.Option == tt.Option && (got == "" || strings.HasPrefix(got, "note") && p.Level != schema.Note) {
				got = p.Level.String() + ": " + p.Text
			}
		}
		want := ""
		if tt.Level != "" {
			want = tt.Level + ": " + tt.Text
		}
		if got != want {
			t.Errorf("%s.%s %q:\n got %q\nwant %q", tt.Section, tt.Option, tt.Value, got, want)
		}
	}
}

func TestPeerChecks(t *testing.T) {
	own, err := schema.ParseKey(ownKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range readChecks(t).Peers {
		t.Run(tt.Name, func(t *testing.T) {
			var b strings.Builder
			option(&b, "config interface 'wg0'\n\toption proto 'wireguard'\n", nil)
			option(&b, "private_key", ownKey)
			for _, p := range tt.Peers {
				b.WriteString("config wireguard_wg0\n")
				for _, name := range []string{"public_key", "disabled", "endpoint_port", "allowed_ips"} {
					if p[name] == "OWN" {
						p[name] = own.PublicKey().String()
					}
					option(&b, name, p[name])
				}
			}
			var got, want []string
			for _, p := range load(t, b.String()).Problems {
				value := p.Value
				if p.Option == "public_key" {
					value = ""
				}
				got = append(got, fmt.Sprintf("%s.%s %q %s: %s", p.Section, p.Option, value, p.Level, p.Text))
			}
			for _, w := range tt.Want {
				want = append(want, fmt.Sprintf("@wireguard_wg0[%d].%s %q %s: %s", w.Peer, w.Option, w.Value, w.Level, w.Text))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// option writes an option or a list; without a value the name alone.
func option(b *strings.Builder, name string, value any) {
	switch v := value.(type) {
	case nil:
		if strings.HasPrefix(name, "config ") {
			b.WriteString(name)
		}
	case string:
		b.WriteString("\toption " + name + " " + quote(v) + "\n")
	case []any:
		for _, item := range v {
			b.WriteString("\tlist " + name + " " + quote(item.(string)) + "\n")
		}
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func load(t *testing.T, text string) *schema.Interface {
	t.Helper()
	p, err := uci.Parse("network", []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", strconv.Quote(text), err)
	}
	i, err := schema.Load(p, "wg0")
	if err != nil {
		t.Fatal(err)
	}
	return i
}
