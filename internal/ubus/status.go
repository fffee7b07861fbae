package ubus

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// Status is the result of a request, as ubus has it (ubus_msg_status in
// ubusmsg.h). It is an error: errors.Is(err, ubus.StatusNotFound).
type Status int32

// The results that ubus knows. A callee may answer with any other number.
const (
	StatusOK Status = iota
	StatusInvalidCommand
	StatusInvalidArgument
	StatusMethodNotFound
	StatusNotFound
	StatusNoData
	StatusPermissionDenied
	StatusTimeout
	StatusNotSupported
	StatusUnknownError
	StatusConnectionFailed
	StatusNoMemory
	StatusParseError
	StatusSystemError
	statusCount
)

// statusTexts are those of libubus's ubus_strerror, which users know.
var statusTexts = [statusCount]string{
	"Success", "Invalid command", "Invalid argument", "Method not found", "Not found", "No response",
	"Permission denied", "Request timed out", "Operation not supported", "Unknown error",
	"Connection failed", "Out of memory", "Parsing message data failed", "System error",
}

// Error returns the text that `ubus call` prints for it.
func (s Status) Error() string {
	if s >= 0 && s < statusCount {
		return statusTexts[s]
	}
	return "Unknown error: " + strconv.Itoa(int(s))
}

// StatusOf returns the status that an error from this package carries:
// StatusOK for nil, StatusUnknownError where there is none.
func StatusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	if s := Status(0); errors.As(err, &s) {
		return s
	}
	return StatusUnknownError
}

var (
	// ErrDisconnected is that there is no connection to ubusd, or that it
	// was lost before the answer came: whether the callee acted is unknown.
	// It is a StatusConnectionFailed.
	ErrDisconnected = fmt.Errorf("not connected to ubusd: %w", StatusConnectionFailed)

	// ErrClosed is a Conn, Subscription, Listener or Published that was
	// closed by its owner.
	ErrClosed = errors.New("closed")

	// ErrTooLarge is a message that ubusd or its receiver would not take;
	// nothing was sent.
	ErrTooLarge = wire.ErrTooLarge
)

// noAnswer makes the error of a request that ended without an answer because its
// context did.
func noAnswer(cause error) error {
	return fmt.Errorf("no answer: %w (%w)", cause, StatusTimeout)
}
