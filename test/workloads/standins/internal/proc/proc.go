package proc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Main is a program: what it returns is its exit code.
type Main func(p *Proc) int

// Signalled is the cause of the end of a process that a signal ended.
type Signalled int

func (s Signalled) Error() string { return fmt.Sprintf("ended by signal %d", int(s)) }

// exit unwinds a process that ends in the middle of a call.
type exit struct{ code int }

// Proc is a running program.
type Proc struct {
	System *System
	PID    int
	Parent int
	Args   []string
	// Env holds NAME=value.
	Env []string
	// Dir is the working directory, absolute.
	Dir string
	// Files are the descriptors by number.
	Files   map[int]*File
	Started time.Time
	// OnSignal, where it is set and returns true, has dealt with a signal.
	OnSignal func(number int) bool

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	status int
}

// Context ends when the process is ended by a signal.
func (p *Proc) Context() context.Context { return p.ctx }

// Read reads standard input.
func (p *Proc) Read(b []byte) (int, error) { return p.readFrom(0, b) }

func (p *Proc) readFrom(fd int, b []byte) (int, error) {
	f := p.Files[fd]
	if f == nil {
		return 0, syscall.EBADF
	}
	n, err := f.Read(p.ctx, b)
	p.endIfSignalled()
	return n, err
}

type output struct {
	p  *Proc
	fd int
}

// Out is standard output. A write that nobody can read any more ends the process, as SIGPIPE does.
func (p *Proc) Out() io.Writer { return output{p, 1} }

// Err is standard error.
func (p *Proc) Err() io.Writer { return output{p, 2} }

func (o output) Write(b []byte) (int, error) {
	f := o.p.Files[o.fd]
	if f == nil {
		return 0, syscall.EBADF
	}
	n, err := f.Write(o.p.ctx, b)
	o.p.endIfSignalled()
	if IsPipeClosed(err) {
		o.p.Exit(128 + int(syscall.SIGPIPE))
	}
	return n, err
}

func (p *Proc) endIfSignalled() {
	var signal Signalled
	if errors.As(context.Cause(p.ctx), &signal) {
		p.Exit(128 + int(signal))
	}
}

// Printf writes to standard output.
func (p *Proc) Printf(format string, args ...any) { fmt.Fprintf(p.Out(), format, args...) }

// Errorf writes a line to standard error that begins with the program's name.
func (p *Proc) Errorf(format string, args ...any) {
	fmt.Fprintf(p.Err(), "%s: %s\n", path.Base(p.Args[0]), fmt.Sprintf(format, args...))
}

// Fail writes what went wrong with a path, as perror does, and returns 1.
func (p *Proc) Fail(err error) int {
	p.Errorf("%s", Message(err))
	return 1
}

// Message is an error in the words of strerror(3), with the path first.
func Message(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Path + ": " + reason(pathError.Err)
	}
	var linkError *os.LinkError
	if errors.As(err, &linkError) {
		return linkError.New + ": " + reason(linkError.Err)
	}
	return reason(err)
}

func reason(err error) string {
	text := err.Error()
	if text == "" || err == errNotFound || err == errCannotStart {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// Exit ends the process from wherever it is called on the process's own goroutine.
func (p *Proc) Exit(code int) { panic(exit{code}) }

// Check ends the process when a signal did, and lets the others run: nothing interrupts a goroutine on Wasm.
func (p *Proc) Check() {
	runtime.Gosched()
	p.endIfSignalled()
}

// Sleep waits, or ends the process when a signal does.
func (p *Proc) Sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ctx.Done():
		p.endIfSignalled()
	}
}

// Path makes a path absolute.
func (p *Proc) Path(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimSuffix(p.Dir, "/") + "/" + name
}

// Getenv is a variable of the environment, "" when it is not set.
func (p *Proc) Getenv(name string) string {
	for i := len(p.Env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(p.Env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// Open opens a file by a path of this process; '-' is standard input to those that ask for it by OpenInput. Paths that
// name a descriptor of the process itself give that descriptor.
func (p *Proc) Open(name string, flag int) (*File, error) {
	full := path.Clean(p.Path(name))
	if fd, ok := p.ownDescriptor(full); ok {
		if f := p.Files[fd]; f != nil {
			return f.Dup(), nil
		}
	}
	f, err := Open(full, flag)
	return f, withPath(err, name)
}

func (p *Proc) ownDescriptor(full string) (int, bool) {
	switch full {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, prefix := range []string{"/dev/fd/", "/proc/self/fd/", fmt.Sprintf("/proc/%d/fd/", p.PID)} {
		var fd int
		if rest, ok := strings.CutPrefix(full, prefix); ok {
			if n, err := fmt.Sscanf(rest, "%d", &fd); n == 1 && err == nil {
				return fd, true
			}
		}
	}
	return 0, false
}

// withPath names the path as the user wrote it.
func withPath(err error, name string) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return &fs.PathError{Op: pathError.Op, Path: name, Err: pathError.Err}
	}
	return err
}

// Input opens a file to read; '-' is standard input.
func (p *Proc) Input(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(p), nil
	}
	f, err := p.Open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &bound{f, p}, nil
}

// bound reads and writes a File in the name of a process.
type bound struct {
	f *File
	p *Proc
}

func (b *bound) Read(data []byte) (int, error)  { return b.f.Read(b.p.ctx, data) }
func (b *bound) Write(data []byte) (int, error) { return b.f.Write(b.p.ctx, data) }
func (b *bound) Close() error                   { return b.f.Close() }

// Create opens a file to write.
func (p *Proc) Create(name string, flag int) (io.WriteCloser, error) {
	f, err := p.Open(name, os.O_WRONLY|os.O_CREATE|flag)
	if err != nil {
		return nil, err
	}
	return &bound{f, p}, nil
}

func random(p []byte) (int, error) { return rand.Read(p) }
