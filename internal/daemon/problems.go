package daemon

import (
	"context"
	"errors"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/uci/schema"
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

// refuse tells why a configuration cannot be applied to what runs, once. What is
// not the configuration's fault is tried again.
func (k *keeper) refuse(ctx context.Context, run *apply.Run, err error) {
	if errors.As(err, new(*schema.Problem)) {
		k.calm()
	} else {
		k.tryAgain()
	}
	if k.reported == err.Error() {
		return
	}
	k.reported = err.Error()
	k.log.Error(err.Error() + "; what runs is left as it is")
	if failure := (*apply.Failure)(nil); run != nil && errors.As(err, &failure) {
		run.TellFailure(ctx, failure)
	}
}
