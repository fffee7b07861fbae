package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// badPeers is a peer of every kind that is wrong, beside a good one.
var badPeers = peerSection("nokey", 0, "\toption public_key 'tooshort'\n") +
	peerSection("prefix", 10, "\tlist allowed_ips '10.7.0.0/33'\n") +
	peerSection("word", 11, "\tlist allowed_ips '10.7.0.0/16'\n\tlist allowed_ips 'lan'\n") +
	peerSection("port", 12, "\toption endpoint_host '192.0.2.9'\n\toption endpoint_port '70000'\n") +
	peerSection("keepalive", 13, "\toption persistent_keepalive '65536'\n") +
	peerSection("mirror", us, "\tlist allowed_ips '10.8.0.0/16'\n") +
	peerSection("twin", them, "\tlist allowed_ips '10.9.0.0/16'\n") +
	peerSection("psk", 14, fmt.Sprintf("\toption preshared_key '%s'\n", psk.String()[1:])) +
	peerSection("lost", 15, "\toption endpoint_host 'no.such.host.example'\n")

// TestBadPeers: a bad peer is left out and named, and costs the others nothing
// (openwrt/openwrt#24511).
func TestBadPeers(t *testing.T) {
	l := newLab(t, simple(badPeers))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	const key = "a key is 44 characters of base64 that end in '=' (32 bytes), as `wg genkey` prints it"
	want := []string{
		"INVALID_PEER: network.nokey.public_key: tooshort: " + key,
		"INVALID_PEER: network.prefix.allowed_ips: 10.7.0.0/33: prefix length is over 32",
		"INVALID_PEER: network.word.allowed_ips: lan: an IPv4 or IPv6 address with or without a prefix length is right here, such as 10.0.0.2/32 or fd00::2/128",
		"INVALID_PEER: network.port.endpoint_port: 70000: a whole number from 1 to 65535 is right here",
		"INVALID_PEER: network.keepalive.persistent_keepalive: 65536: seconds from 0 (off) to 65535 are right here; 25 is usual behind NAT",
		"INVALID_PEER: network.mirror.public_key: " + public(us).String() + ": this is the interface's own public key; the other side's is right here",
		"INVALID_PEER: network.twin.public_key: " + public(them).String() + ": the same key as network.far.public_key; each peer needs a key of its own",
		"INVALID_PEER: network.psk.preshared_key: : " + key, // without the value
		"ENDPOINT_UNRESOLVED: network.lost.endpoint_host: no.such.host.example: name servers did not answer: connection refused",
	}
	equal(t, "netifd's errors", errorLines(l.Status("wg0")), want)
	for _, w := range want {
		path := strings.Fields(w)[1]
		if !slices.ContainsFunc(l.Log(), func(line string) bool { return strings.Contains(line, "error: "+path) }) {
			t.Errorf("the log does not name %s", path)
		}
	}

	// The two that work: the good one, and the one whose name is not found, which
	// can still call us.
	var keys []string
	for _, p := range router.ReadDevice(t, l.Host, "wg0").Peers {
		keys = append(keys, p.PublicKey.String())
	}
	slices.Sort(keys)
	wantKeys := []string{public(them).String(), public(15).String()}
	slices.Sort(wantKeys)
	equal(t, "peers", keys, wantKeys)
	equal(t, "allowed IPs of the first of twins", allowed(l.peerOf("wg0", them)), []string{"10.0.0.2/32"})

	l.handle("renew", "wg0") // which exits with 0
	equal(t, "netifd's errors after a renew", errorLines(l.Status("wg0")), want)

	states := map[string]string{}
	for _, p := range l.status().Interfaces["wg0"].Peers {
		states[p.Section] = p.State
	}
	equal(t, "states", states, map[string]string{
		"far": "connected", "lost": "unresolved", "nokey": "invalid", "prefix": "invalid", "word": "invalid", "port": "invalid",
		"keepalive": "invalid", "mirror": "invalid", "twin": "invalid", "psk": "invalid",
	})
}

// TestManyBadPeers: netifd is told of twenty, and how many more there are.
func TestManyBadPeers(t *testing.T) {
	var bad strings.Builder
	for n := range 50 {
		bad.WriteString(peerSection(fmt.Sprintf("bad%d", n), 10+n, "\tlist allowed_ips '10.7.0.0/33'\n"))
	}
	l := newLab(t, simple(bad.String()))
	l.farSimple()
	l.Start()
	l.AwaitUp("wg0")
	mustPing(t, l.far, "10.0.0.1")
	l.awaitHandlers()
	told := errorLines(l.Status("wg0"))
	if len(told) != 21 || told[20] != "MORE_PROBLEMS: 30" {
		t.Errorf("netifd was told of %d problems:\n%s", len(told), strings.Join(told, "\n"))
	}
}
