package netifd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// handlerPlan is what the recording handler does. It finds it in the folder
// above its own.
type handlerPlan struct {
	Dump           json.RawMessage   // printed for dump
	Does           map[string]string // shell lines of an action; "" for all others
	IgnoresSIGTERM bool
	Slow           bool // leaves the processor to others in a loop of restarts
}

const (
	planFile   = "plan.json"
	runsFile   = "runs"  // a JSON object a line: a handlerEvent
	linesFile  = "lines" // "ACTION start" and what shell lines write to $LOG
	socketFile = "ubus.sock"
)

// handlerEvent is the start of a handler, its end, or a signal that it got.
type handlerEvent struct {
	Pid    int
	Time   int64       // UnixNano
	Start  *handlerRun `json:",omitempty"`
	Signal string      `json:",omitempty"`
	Exit   *int        `json:",omitempty"`
	Child  int         `json:",omitempty"` // pid of the shell
}

// handlerRun is what a handler sees when it is started.
type handlerRun struct {
	Argv     []string
	Env      map[string]string
	Cwd      string
	Fds      []string
	FdsSame  bool
	Stdin    string
	OwnGroup bool
	Umask    string
}

// recordRun is the handler.
func recordRun(argv []string) int {
	cwd, err := os.Getwd()
	if err != nil {
		return 70
	}
	dir := filepath.Dir(cwd)
	var mu sync.Mutex
	note := func(e handlerEvent) {
		mu.Lock()
		defer mu.Unlock()
		e.Pid, e.Time = os.Getpid(), time.Now().UnixNano()
		b, _ := json.Marshal(e)
		appendTo(filepath.Join(dir, runsFile), string(b)+"\n")
	}
	note(handlerEvent{Start: lookAround(argv, cwd)})
	var plan handlerPlan
	b, err := os.ReadFile(filepath.Join(dir, planFile))
	if err == nil {
		err = json.Unmarshal(b, &plan)
	}
	if err != nil || len(argv) < 3 {
		return 71
	}
	code := 0
	if argv[2] == "dump" {
		fmt.Println(string(plan.Dump))
	} else {
		appendTo(filepath.Join(dir, linesFile), argv[2]+" start\n")
		does, ok := plan.Does[argv[2]]
		if !ok {
			does = plan.Does[""]
		}
		if does != "" {
			code = runShell(does, argv, dir, plan.IgnoresSIGTERM, note)
		}
	}
	if plan.Slow {
		time.Sleep(50 * time.Millisecond)
	}
	note(handlerEvent{Exit: &code})
	return code
}

// runShell runs shell lines and ends with their status, or as a signal demands.
func runShell(does string, argv []string, dir string, ignores bool, note func(handlerEvent)) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for s := range signals {
			note(handlerEvent{Signal: s.String()})
			if !ignores {
				signal.Reset(s)
				_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
			}
		}
	}()
	cmd := exec.Command("/bin/sh", append([]string{"-c", does}, argv...)...)
	cmd.Env = append(os.Environ(), "LOG="+filepath.Join(dir, linesFile))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 72
	}
	note(handlerEvent{Child: cmd.Process.Pid})
	_ = cmd.Wait() // the status says it
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Exited() {
		return ws.ExitStatus()
	}
	return 73
}

func lookAround(argv []string, cwd string) *handlerRun {
	r := &handlerRun{Argv: argv, Cwd: cwd, Env: map[string]string{}}
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		r.Env[name] = value
	}
	var links []string
	for fd := range 3 {
		link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		links = append(links, link)
		parents, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", os.Getppid(), fd))
		kind, _, _ := strings.Cut(link, ":")
		if fd == 2 && link == parents {
			kind = "netifd's own stderr"
		}
		r.Fds = append(r.Fds, kind)
	}
	r.FdsSame = links[0] == links[1] && links[1] == links[2]
	n, err := syscall.Read(0, make([]byte, 16))
	r.Stdin = fmt.Sprintf("n=%d err=read stdin: %v", max(n, 0), err)
	r.OwnGroup = syscall.Getpgrp() == os.Getpid()
	mask := syscall.Umask(0)
	syscall.Umask(mask)
	r.Umask = fmt.Sprintf("%04o", mask)
	return r
}

// appendTo adds to a file that several processes write: one write keeps the
// lines whole.
func appendTo(file, text string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(text)
}

// ubusCommand is `ubus call PATH METHOD [JSON]`. The socket is in the folder of
// PATH that the command is in.
func ubusCommand(args []string) int {
	if len(args) < 3 || args[0] != "call" {
		fmt.Fprintln(os.Stderr, "usage: ubus call PATH METHOD [JSON]")
		return 255
	}
	var msg blobmsg.Table
	if len(args) > 3 {
		var err error
		if msg, err = blobmsg.ParseJSON([]byte(args[3])); err != nil {
			fmt.Fprintln(os.Stderr, "Failed to parse message data")
			return 255
		}
	}
	dirs := filepath.SplitList(os.Getenv("PATH"))
	at := slices.IndexFunc(dirs, func(d string) bool {
		_, err := os.Stat(filepath.Join(d, socketFile))
		return err == nil
	})
	if at < 0 {
		fmt.Fprintln(os.Stderr, "no", socketFile, "in PATH")
		return 255
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := ubus.Dial(ctx, filepath.Join(dirs[at], socketFile))
	if err != nil {
		fmt.Fprintln(os.Stderr, "Failed to connect to ubus")
		return 255
	}
	defer conn.Close()
	answer, err := conn.Call(ctx, args[1], args[2], msg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Command failed:", ubus.StatusOf(err))
		return int(ubus.StatusOf(err))
	}
	if answer != nil {
		fmt.Println(string(blobmsg.AppendJSONIndent(nil, answer)))
	}
	return 0
}
