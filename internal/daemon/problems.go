package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/netifd"
)

// report tells what is wrong with an interface that is up: the log and netifd,
// once.
func (k *keeper) report(ctx context.Context, run *apply.Run) {
	var b strings.Builder
	for _, p := range run.Conf.Problems {
		b.WriteString(p.Error())
		b.WriteByte('\n')
	}
	for _, p := range run.Failed {
		b.WriteString(p.Code + strings.Join(p.Words, " ") + "\n")
	}
	if text := b.String(); text != k.reported {
		if k.reported = text; text != "" {
			run.TellProblems(ctx)
		}
	}
}

// askAgain is when netifd is asked again that did not answer. When ubus is back it
// is asked at once.
const askAgain = 10 * time.Second

// refuse tells why a configuration cannot be applied to what runs, once.
func (k *keeper) refuse(ctx context.Context, err error) {
	if failure := (*apply.Failure)(nil); !errors.As(err, &failure) {
		k.later(askAgain, func(in *inbox) { in.sync = true })
	}
	if k.reported == err.Error() {
		return
	}
	k.reported = err.Error()
	k.log.Error(err.Error() + "; what runs is left as it is")
	var failure *apply.Failure
	if k.d.o.Bus == nil || !errors.As(err, &failure) {
		return
	}
	if err := k.d.client.Report(ctx, k.name, netifd.Error{Code: failure.Code, Words: failure.Words()}); err != nil {
		k.log.Warn("cannot tell netifd", "error", err)
	}
}
