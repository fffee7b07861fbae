package rpcd

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// TestConformanceOpenWrt holds the real rpcd to the recordings, on our broker:
// so that what the recordings say is what the one on this machine does. Calls
// by HTTP are uhttpd's, with sessions whose ids nobody can choose.
func TestConformanceOpenWrt(t *testing.T) {
	path := need.OpenWrt(t, "rpcd")[0]
	need.Root(t)
	need.Namespaces(t)
	eachCase(t, func(t *testing.T, c *object) {
		if string(c.members["via"]) != `"http"` {
			testCase(t, c, func(t *testing.T, config Config) daemon { return launchReal(t, path, config) })
		}
	})
}

// realDaemon is the real rpcd. It is the only one in its process group.
type realDaemon struct {
	cmd    *exec.Cmd
	path   string
	exited chan struct{}
}

func (d *realDaemon) Done() <-chan struct{} { return d.exited }

func (d *realDaemon) ids() [3]int {
	pid := d.cmd.Process.Pid
	sid, _ := unix.Getsid(pid)
	return [3]int{pid, pid, sid}
}

// processes are those of the group that run rpcd.
func (d *realDaemon) processes() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		exe, _ := os.Readlink(dir + "/exe")
		if pgid, err := unix.Getpgid(pid); err == nil && pgid == d.cmd.Process.Pid && exe == d.path {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (d *realDaemon) Processes() int { return len(d.processes()) }

// Spinning looks at them for half a second.
func (d *realDaemon) Spinning() (n int) {
	before := map[int]int{}
	for _, pid := range d.processes() {
		before[pid] = cpuTicks(pid)
	}
	time.Sleep(500 * time.Millisecond)
	for pid, ticks := range before {
		if cpuTicks(pid)-ticks > 10 { // of 50
			n++
		}
	}
	return n
}

// cpuTicks is the processor time that a process has had, in hundredths of a
// second.
func cpuTicks(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

// launchReal starts the real rpcd where our bed is /usr/libexec.
func launchReal(t *testing.T, path string, config Config) daemon {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	const script = `mount --make-rprivate / && mount --bind "$1" /usr/libexec && mount -t tmpfs none /run &&
		cd "$2" && exec env -i PATH="$PATH" REC_MARKER="$REC_MARKER" HOME="$HOME" "$0" -s "$3" -t "$4"`
	cmd := exec.Command("sh", "-c", script, path, filepath.Dir(config.PluginDir), config.Dir,
		config.Socket, strconv.Itoa(int(config.Timeout.Seconds())))
	cmd.Env = config.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Setpgid: true}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &realDaemon{cmd: cmd, path: path, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // killed below
		close(d.exited)
	}()
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // its group, with all that it left
		<-d.exited
		if stderr.Len() > 0 {
			t.Logf("rpcd: %s", stderr.Bytes())
		}
	})
	// It answers when it has listed its plugins.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn := connect(t, config.Socket)
	for ctx.Err() == nil {
		if _, err := conn.Call(ctx, "session", "list", nil); err == nil {
			return d
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}
