package status_test

import (
	"errors"
	"testing"

	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// FuzzArguments: whatever a browser sends gets a page, a peer, or an error that
// tells whose fault it is.
func FuzzArguments(f *testing.F) {
	f.Add(`{}`)
	f.Add(`{"interface":"wg0","state":"stale,idle","text":"ä 1","sort":"endpoint","reverse":"1","offset":3,"limit":2}`)
	f.Add(`{"interface":"wg0","public_key":"` + peerKey1 + `","section":"@wireguard_wg0[3]"}`)
	f.Add(`{"offset":9223372036854775807,"limit":-1,"sort":null,"text":{"a":[1]}}`)
	snap := many(20, nil)
	f.Fuzz(func(t *testing.T, text string) {
		args, err := blobmsg.ParseJSON([]byte(text))
		if err != nil {
			return // not JSON
		}
		if q, err := status.ParseQuery(args); err == nil {
			table, err := snap.PeersTable(q)
			if err != nil && !errors.Is(err, status.ErrNoInterface) {
				t.Fatal(err)
			}
			if list, _ := table.Array("peers"); len(list) > status.MaxLimit {
				t.Fatalf("%d peers", len(list))
			}
		} else if !errors.Is(err, status.ErrArgument) {
			t.Fatal(err)
		}
		if ref, err := status.ParsePeerRef(args); err == nil {
			if _, err := snap.PeerTable(ref, nil); err != nil && !errors.Is(err, status.ErrNoInterface) && !errors.Is(err, status.ErrNoPeer) {
				t.Fatal(err)
			}
		} else if !errors.Is(err, status.ErrArgument) {
			t.Fatal(err)
		}
	})
}
