package sh

import (
	"context"
	"fmt"
	"time"

	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// job is a command in the background.
type job struct {
	p       *proc.Proc
	command *syntax.Stmt
}

func (s *shell) background(statement *syntax.Stmt) {
	files := s.dupFiles()
	if files[0] != nil {
		_ = files[0].Close()
	}
	// A job that nobody controls reads nothing.
	empty, err := proc.Open("/dev/null", 0)
	if err == nil {
		files[0] = empty
	}
	child := s.fork(context.Background(), files)
	foreground := *statement
	foreground.Background = false
	s.start(child, func(child *shell) {
		// A subshell in the background is the job itself: signals to the job are its own.
		if inner, ok := foreground.Cmd.(*syntax.Subshell); ok && len(foreground.Redirs) == 0 && !foreground.Negated {
			child.stmts(inner.Stmts)
			return
		}
		child.stmt(&foreground)
	})
	s.jobs = append(s.jobs, &job{child.p, &foreground})
	s.lastJob = child.p.PID
	s.status = 0
}

func (s *shell) start(child *shell, run func(*shell)) {
	go child.p.RunHere(func(*proc.Proc) int { return child.untilExit(func() { run(child) }) })
}

func (s *shell) binary(command *syntax.BinaryCmd) {
	switch command.Op {
	case syntax.AndStmt, syntax.OrStmt:
		s.tested++
		s.stmt(command.X)
		s.tested--
		if s.flow == onward && (s.status == 0) == (command.Op == syntax.AndStmt) {
			s.stmt(command.Y)
		}
	default:
		s.pipeline(command)
	}
}

// pipeline runs both sides as subshells at the same time; its status is that of the right one.
func (s *shell) pipeline(command *syntax.BinaryCmd) {
	reader, writer := proc.Pipe()
	left := s.dupFiles()
	replaceFile(left, 1, writer)
	if command.Op == syntax.PipeAll {
		replaceFile(left, 2, writer.Dup())
	}
	right := s.dupFiles()
	replaceFile(right, 0, reader)
	first := s.fork(s.p.Context(), left)
	s.start(first, func(child *shell) {
		child.tested = s.tested
		child.stmt(command.X)
	})
	s.status = s.inSubshell(right, func(child *shell) {
		child.tested = s.tested
		child.stmt(command.Y)
	})
	<-first.p.Done()
	if s.opts.pipefail && s.status == 0 {
		s.status = first.p.Status()
	}
}

func replaceFile(files map[int]*proc.File, fd int, f *proc.File) {
	if old := files[fd]; old != nil {
		_ = old.Close()
	}
	files[fd] = f
}

// waitFor waits for a job; a signal with a trap ends the wait with 128 + its number.
func (s *shell) waitFor(j *job) int {
	select {
	case <-j.p.Done():
		return j.p.Status()
	case <-s.p.Context().Done():
		s.p.Check()
		return 1
	case number := <-s.traps.arrived:
		s.traps.pending = append(s.traps.pending, number)
		return 128 + number
	}
}

func (s *shell) forget(j *job) {
	for i, other := range s.jobs {
		if other == j {
			s.jobs = append(s.jobs[:i:i], s.jobs[i+1:]...)
			return
		}
	}
}

func (s *shell) time(clause *syntax.TimeClause) {
	start := time.Now()
	if clause.Stmt != nil {
		s.stmt(clause.Stmt)
	}
	took := time.Since(start)
	fmt.Fprintf(s.p.Err(), "real\t%dm %.2fs\nuser\t0m 0.00s\nsys\t0m 0.00s\n", int(took.Minutes()), took.Seconds()-60*float64(int(took.Minutes())))
}
