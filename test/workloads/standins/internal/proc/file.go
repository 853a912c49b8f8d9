// Package proc gives the programs of this folder what a Unix process has: arguments, an environment, a working
// directory, descriptors, a process id. WASI Preview 1 can start no processes, so a program is a Go function here, many
// of them share one instance, and pipes between them live in its memory.
package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// File is an open file description: what descriptors refer to. It closes when the last of them does.
type File struct {
	mu    sync.Mutex
	refs  int
	os    *os.File
	read  func(ctx context.Context, p []byte) (int, error)
	write func(ctx context.Context, p []byte) (int, error)
	close func() error
}

// FromOS makes a File of one that the system has opened, and owns it from then on.
func FromOS(f *os.File) *File {
	return &File{
		refs:  1,
		os:    f,
		read:  func(_ context.Context, p []byte) (int, error) { return f.Read(p) },
		write: func(_ context.Context, p []byte) (int, error) { return f.Write(p) },
		close: f.Close,
	}
}

// Open opens an absolute path. The devices that every Unix has are there also where the system shows no /dev.
func Open(path string, flag int) (*File, error) {
	f, err := os.OpenFile(path, flag, 0o666)
	if err == nil {
		return FromOS(f), nil
	}
	if device := deviceAt(path); device != nil {
		return device, nil
	}
	return nil, err
}

func deviceAt(path string) *File {
	discard := func(_ context.Context, p []byte) (int, error) { return len(p), nil }
	switch path {
	case "/dev/null":
		return &File{refs: 1, read: func(context.Context, []byte) (int, error) { return 0, io.EOF }, write: discard}
	case "/dev/zero":
		return &File{refs: 1, write: discard, read: func(_ context.Context, p []byte) (int, error) {
			clear(p)
			return len(p), nil
		}}
	case "/dev/random", "/dev/urandom":
		return &File{refs: 1, write: discard, read: func(_ context.Context, p []byte) (int, error) { return random(p) }}
	}
	return nil
}

// FromReader makes a File to read, as for a here-document.
func FromReader(r io.Reader) *File {
	return &File{refs: 1, read: func(_ context.Context, p []byte) (int, error) { return r.Read(p) }}
}

// FromWriter makes a File to write, as for a command substitution.
func FromWriter(w io.Writer) *File {
	return &File{refs: 1, write: func(_ context.Context, p []byte) (int, error) { return w.Write(p) }}
}

// Dup counts one more descriptor of f.
func (f *File) Dup() *File {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refs++
	return f
}

// Close counts one descriptor less; the last one closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	f.refs--
	last := f.refs == 0
	f.mu.Unlock()
	if last && f.close != nil {
		return f.close()
	}
	return nil
}

// OS is the system's file behind f, nil for pipes and the like.
func (f *File) OS() *os.File { return f.os }

// Read reads as read(2); a process that is ended while it waits gets its context's cause.
func (f *File) Read(ctx context.Context, p []byte) (int, error) {
	if f.read == nil {
		return 0, syscall.EBADF
	}
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return f.read(ctx, p)
}

// Write writes all of p; a process that is ended while it waits gets its context's cause.
func (f *File) Write(ctx context.Context, p []byte) (int, error) {
	if f.write == nil {
		return 0, syscall.EBADF
	}
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return f.write(ctx, p)
}

const pipeSize = 64 << 10

type pipe struct {
	mu               sync.Mutex
	data             []byte
	noReader, noMore bool
	changed          chan struct{}
}

// Pipe makes a pipe as pipe(2) does: 64 KiB, end of file when the last writer is gone, EPIPE when the last reader is.
func Pipe() (reader, writer *File) {
	p := &pipe{changed: make(chan struct{})}
	reader = &File{refs: 1, read: p.readSome, close: func() error { return p.end(&p.noReader) }}
	writer = &File{refs: 1, write: p.writeAll, close: func() error { return p.end(&p.noMore) }}
	return reader, writer
}

func (p *pipe) end(flag *bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	*flag = true
	p.tell()
	return nil
}

// tell wakes all that wait. Called with the lock held.
func (p *pipe) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipe) readSome(ctx context.Context, b []byte) (int, error) {
	for {
		p.mu.Lock()
		if len(p.data) > 0 {
			n := copy(b, p.data)
			p.data = p.data[n:]
			p.tell()
			p.mu.Unlock()
			return n, nil
		}
		ended, changed := p.noMore, p.changed
		p.mu.Unlock()
		if ended {
			return 0, io.EOF
		}
		if err := wait(ctx, changed); err != nil {
			return 0, err
		}
	}
}

func (p *pipe) writeAll(ctx context.Context, b []byte) (int, error) {
	written := 0
	for {
		p.mu.Lock()
		if p.noReader {
			p.mu.Unlock()
			return written, syscall.EPIPE
		}
		n := min(pipeSize-len(p.data), len(b)-written)
		p.data = append(p.data, b[written:written+n]...)
		written += n
		if n > 0 {
			p.tell()
		}
		changed := p.changed
		p.mu.Unlock()
		if written == len(b) {
			return written, nil
		}
		if err := wait(ctx, changed); err != nil {
			return written, err
		}
	}
}

func wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// IsPipeClosed tells whether a write failed because nobody reads any more.
func IsPipeClosed(err error) bool { return errors.Is(err, syscall.EPIPE) }
