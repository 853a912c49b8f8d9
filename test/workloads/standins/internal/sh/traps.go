package sh

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
)

// pollInterval is how soon a signal is heard of: a guest asks for signals, it is not interrupted.
const pollInterval = 20 * time.Millisecond

// traps are the actions of a shell by signal name, and the signals that wait for theirs.
type traps struct {
	mu      sync.Mutex
	actions map[string]string
	pending []int
	arrived chan int
	wanted  chan struct{}
	// main is the shell that the system's signals go to.
	main bool
}

func newTraps() *traps {
	return &traps{actions: map[string]string{}, arrived: make(chan int, 64), wanted: make(chan struct{}, 1), main: true}
}

// inherited are the traps of a subshell: only what is ignored stays so.
func (t *traps) inherited() *traps {
	t.mu.Lock()
	defer t.mu.Unlock()
	child := newTraps()
	child.main = false
	for name, action := range t.actions {
		if action == "" {
			child.actions[name] = ""
		}
	}
	return child
}

func (t *traps) set(name, action string) {
	t.mu.Lock()
	t.actions[name] = action
	t.mu.Unlock()
	t.subscribe()
}

func (t *traps) clear(name string) {
	t.mu.Lock()
	delete(t.actions, name)
	t.mu.Unlock()
	t.subscribe()
}

// take removes an action and returns it.
func (t *traps) take(name string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	action, ok := t.actions[name]
	delete(t.actions, name)
	return action, ok
}

func (t *traps) action(number int) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	action, ok := t.actions[signalName(number)]
	return action, ok
}

func (t *traps) subscribe() {
	if !t.main {
		return
	}
	t.mu.Lock()
	var set uint64
	for name := range t.actions {
		if number, ok := posix.SignalNumbers[name]; ok && number != 9 && number != 19 {
			set |= 1 << number
		}
	}
	t.mu.Unlock()
	if posix.Subscribe(set) == nil && set != 0 {
		select {
		case t.wanted <- struct{}{}:
		default:
		}
	}
}

// listen takes the system's signals from when the first trap is set until stop.
func (t *traps) listen(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-t.wanted:
		case <-ctx.Done():
			return
		}
		ticker := time.NewTicker(pollInterval)
		defer ticker.Stop()
		for {
			for number := posix.TakeSignal(); number != 0; number = posix.TakeSignal() {
				t.deliver(number)
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return cancel
}

// deliver hands a signal to the shell, unless it is ignored. More than fit are one and the same by then.
// It is false when there is no trap for it.
func (t *traps) deliver(number int) bool {
	action, ok := t.action(number)
	if !ok || action == "" {
		return ok
	}
	select {
	case t.arrived <- number:
	default:
	}
	return true
}

// runTraps runs the actions of signals that have come.
func (s *shell) runTraps() {
	for {
		select {
		case number := <-s.traps.arrived:
			s.traps.pending = append(s.traps.pending, number)
			continue
		default:
		}
		if len(s.traps.pending) == 0 {
			return
		}
		number := s.traps.pending[0]
		s.traps.pending = s.traps.pending[1:]
		action, ok := s.traps.action(number)
		if !ok {
			s.exit(128 + number)
		}
		status := s.status
		s.runSource(strings.NewReader(action))
		s.status = status
	}
}

func signalName(number int) string {
	for name, n := range posix.SignalNumbers {
		if n == number {
			return name
		}
	}
	return "EXIT"
}

// signalOf reads a signal's name or number. It is "" when there is none such.
func signalOf(text string) string {
	if number, err := strconv.Atoi(text); err == nil {
		if number == 0 {
			return "EXIT"
		}
		if name := signalName(number); name != "EXIT" {
			return name
		}
		return ""
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if _, ok := posix.SignalNumbers[name]; ok || name == "EXIT" {
		return name
	}
	return ""
}
