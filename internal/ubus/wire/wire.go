// Package wire is the framing of ubus: messages on the stream socket between
// ubusd and its clients, and the attributes in them. Facts are those of ubus's
// ubusmsg.h, libubus-io.c and ubusd_main.c.
//
// A message is a header of 8 bytes and one attribute, the blob, that holds all
// the others; all numbers are big-endian.
package wire

import "strconv"

// MaxBlob is the longest blob of a message in bytes (UBUS_MAX_MSGLEN). ubusd
// closes the connection of a client that sends more.
const MaxBlob = 1 << 20

const (
	headerLen = 8 // version, type, sequence number, peer
	attrLen   = 4 // id and length of an attribute
)

// Type is the type of a message.
type Type uint8

// The message types, ubus_msg_type in ubusmsg.h.
const (
	Hello        Type = iota // ubusd's greeting, peer is the client's id
	Status                   // end of a request, with its result
	Data                     // data that belongs to a request
	Ping                     // answered with Data and Status
	Lookup                   // objects by path
	Invoke                   // call of a method, event, notification
	AddObject                // puts an object on the bus
	RemoveObject             // takes it off
	Subscribe                // to an object's notifications
	Unsubscribe              // to ubusd: end a subscription; from ubusd: its object is gone
	Notify                   // to ubusd: a notification; from ubusd: subscribers came or went
	Monitor                  // a copy of another message
	typeCount
)

var typeNames = [typeCount]string{
	"HELLO", "STATUS", "DATA", "PING", "LOOKUP", "INVOKE", "ADD_OBJECT", "REMOVE_OBJECT",
	"SUBSCRIBE", "UNSUBSCRIBE", "NOTIFY", "MONITOR",
}

// String returns the name as ubus has it, or TYPE_n.
func (t Type) String() string {
	if t < typeCount {
		return typeNames[t]
	}
	return "TYPE_" + strconv.Itoa(int(t))
}

// Attr is the id of an attribute.
type Attr uint8

// The attribute ids, ubus_msg_attr in ubusmsg.h, and the kind of their values.
const (
	AttrUnspec      Attr = iota
	AttrStatus           // int32
	AttrObjPath          // string
	AttrObjID            // int32
	AttrMethod           // string
	AttrObjType          // int32
	AttrSignature        // blobmsg: a table of argument types for each method
	AttrData             // blobmsg
	AttrTarget           // int32: object that is subscribed to
	AttrActive           // int8: there are subscribers
	AttrNoReply          // int8: no answer is wanted
	AttrSubscribers      // int32 attributes of id 0: who is notified
	AttrUser             // string: the caller's user
	AttrGroup            // string: the caller's group
	attrCount
)

// The attribute ids of a [Monitor] message, ubus_monitor_attr in ubusmsg.h.
const (
	MonitorClient Attr = iota // int32: the client whose connection it was
	MonitorPeer               // int32: peer of the message
	MonitorSend               // int8: 1 was sent to the client, 0 came from it
	MonitorSeq                // int32: sequence number of the message
	MonitorType               // int32: its type
	MonitorData               // its attributes
)

// Objects that ubusd itself serves, UBUS_SYSTEM_OBJECT_* in ubusmsg.h.
const (
	ObjectEvent   = 1    // register, send
	ObjectACL     = 2    // query
	ObjectMonitor = 3    // add, remove
	ObjectMax     = 1024 // ids that ubusd gives out start here
)

// Header is what stands before the blob.
type Header struct {
	Version uint8 // 0; ubusd does not look at it
	Type    Type
	Seq     uint16 // chosen by the sender of a request, repeated in all answers
	Peer    uint32 // object id or client id, by type
}

// Frame is a whole message.
type Frame struct {
	Header
	// Blob is the outer attribute with its own header.
	Blob []byte
}

// Append appends the frame's bytes.
func (f *Frame) Append(dst []byte) []byte {
	dst = append(dst, f.Version, byte(f.Type), byte(f.Seq>>8), byte(f.Seq),
		byte(f.Peer>>24), byte(f.Peer>>16), byte(f.Peer>>8), byte(f.Peer))
	return append(dst, f.Blob...)
}

// Len is how many bytes Append appends.
func (f *Frame) Len() int { return headerLen + len(f.Blob) }
