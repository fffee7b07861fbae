package main

import (
	"context"
	"os"
	"path"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// The objects that LuCI asks beside those of the router's programs, with the
// answers of a router that has nothing but a WAN and a LAN.
var board = []struct{ object, method, reply string }{
	{"system", "board", `{"kernel":"6.12.0","hostname":"router","system":"test","model":"Test router","board_name":"test","rootfs_type":"squashfs","release":{"distribution":"OpenWrt","version":"25.12.0","revision":"r1","target":"x86/64","description":"OpenWrt"}}`},
	{"system", "info", `{"localtime":1700000000,"uptime":1000,"load":[0,0,0],"memory":{"total":1,"free":1}}`},
	{"luci", "getFeatures", `{"ipv6":true,"firewall":true,"firewall4":true,"bonding":false,"dnsmasq":{"dhcpv6":true},"odhcpd":true,"opkg":true,"wifi":false,"netifd_config":{}}`},
	{"luci", "getSwconfigFeatures", `{}`},
	{"luci", "getBuiltinEthernetPorts", `{"result":[]}`},
	{"luci-rpc", "getBoardJSON", `{"model":{"id":"test","name":"Test router"},"network":{"lan":{"device":"lan","protocol":"static"},"wan":{"device":"wan","protocol":"static"}}}`},
	{"luci-rpc", "getHostHints", `{}`},
	{"luci-rpc", "getWirelessDevices", `{}`},
	{"luci-rpc", "getDHCPLeases", `{"dhcp_leases":[],"dhcp6_leases":[]}`},
	{"luci-rpc", "getNetworkDevices", `{"lan":{"name":"lan","devtype":"ethernet","up":true,"type":1,"mac":"02:00:00:00:00:01","mtu":1500,"ipaddrs":[],"ip6addrs":[],"stats":{},"flags":{"up":true}},"wan":{"name":"wan","devtype":"ethernet","up":true,"type":1,"mac":"02:00:00:00:00:02","mtu":1500,"ipaddrs":[],"ip6addrs":[],"stats":{},"flags":{"up":true}},"lo":{"name":"lo","devtype":"loopback","up":true,"type":772,"mtu":65536,"ipaddrs":[],"ip6addrs":[],"stats":{},"flags":{"up":true,"loopback":true}}}`},
	{"file", "read", `{"data":""}`},
	{"file", "list", `{"entries":[]}`},
	{"file", "exec", `{"code":0,"stdout":""}`},
	{"iwinfo", "devices", `{"devices":[]}`},
	{"network.rrdns", "lookup", `{}`},
}

// publishBoard publishes them, but for objects that somebody else has.
func publishBoard(ctx context.Context, conn *ubus.Conn) error {
	objects := map[string][]ubus.Method{}
	var order []string
	for _, b := range board {
		reply, err := blobmsg.ParseJSON([]byte(b.reply))
		if err != nil {
			return err
		}
		if objects[b.object] == nil {
			order = append(order, b.object)
		}
		objects[b.object] = append(objects[b.object], ubus.Method{
			Name: b.method,
			Call: func(context.Context, *ubus.Request) (blobmsg.Table, error) { return reply, nil },
		})
	}
	objects["file"] = append(objects["file"], ubus.Method{Name: "stat", Call: stat})
	for _, name := range order {
		found, err := conn.Lookup(ctx, name)
		if err == nil && len(found) > 0 {
			continue
		}
		if _, err := conn.Publish(ctx, name, objects[name]); err != nil {
			return err
		}
	}
	return nil
}

// stat is rpcd's file.stat.
func stat(_ context.Context, req *ubus.Request) (blobmsg.Table, error) {
	name, _ := req.Args.String("path")
	st, err := os.Stat(path.Clean(name))
	if err != nil {
		return nil, ubus.StatusNotFound
	}
	kind := "file"
	if st.IsDir() {
		kind = "directory"
	}
	return blobmsg.Table{{Name: "path", Value: name}, {Name: "type", Value: kind}, {Name: "size", Value: st.Size()}, {Name: "mtime", Value: st.ModTime().Truncate(time.Second).Unix()}}, nil
}
