package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// client makes a device on the laptop from a file of wg-quick, as a person does
// who scans a QR code. There is no DNS there, and nothing but one peer.
func (w *worldServer) client(name, text string) error {
	var config wgtypes.Config
	var addresses []string
	peer := wgtypes.PeerConfig{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		var err error
		if addresses, err = setting(&config, &peer, addresses, strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	config.Peers = []wgtypes.PeerConfig{peer}
	_ = router.RemoveDevice(w.laptop, name) // There may be none.
	router.AddDevice(&stage{}, w.laptop, name, config, addresses...)
	for _, p := range peer.AllowedIPs {
		w.laptop.AddRoute(p.String(), "", name)
	}
	return nil
}

func setting(config *wgtypes.Config, peer *wgtypes.PeerConfig, addresses []string, key, value string) ([]string, error) {
	parse := func(into **wgtypes.Key) error {
		k, err := wgtypes.ParseKey(value)
		*into = &k
		return err
	}
	switch key {
	case "PrivateKey":
		return addresses, parse(&config.PrivateKey)
	case "PresharedKey":
		return addresses, parse(&peer.PresharedKey)
	case "PublicKey":
		k, err := wgtypes.ParseKey(value)
		peer.PublicKey = k
		return addresses, err
	case "Address":
		for a := range strings.SplitSeq(value, ",") {
			addresses = append(addresses, strings.TrimSpace(a))
		}
	case "AllowedIPs":
		for a := range strings.SplitSeq(value, ",") {
			_, n, err := net.ParseCIDR(strings.TrimSpace(a))
			if err != nil {
				return nil, err
			}
			peer.AllowedIPs = append(peer.AllowedIPs, *n)
		}
	case "Endpoint":
		a, err := net.ResolveUDPAddr("udp", value)
		peer.Endpoint = a
		return addresses, err
	case "PersistentKeepalive":
		n, err := strconv.Atoi(value)
		every := time.Duration(n) * time.Second
		peer.PersistentKeepaliveInterval = &every
		return addresses, err
	}
	return addresses, nil
}
