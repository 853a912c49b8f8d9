package sh

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

func (s *shell) config() *expand.Config {
	config := &expand.Config{Env: environ{s}, CmdSubst: s.substitute, NoUnset: s.opts.nounset}
	if !s.opts.noglob {
		config.ReadDir2 = os.ReadDir
	}
	return config
}

// check ends the shell on an error of an expansion, as POSIX has it.
func (s *shell) check(err error) {
	if err == nil {
		return
	}
	s.errorf("%s", err)
	s.status = 2
	s.exit(2)
}

func (s *shell) fields(words []*syntax.Word) []string {
	fields, err := expand.Fields(s.config(), words...)
	s.check(err)
	return fields
}

func (s *shell) literal(word *syntax.Word) string {
	if word == nil {
		return ""
	}
	value, err := expand.Literal(s.config(), word)
	s.check(err)
	return value
}

func (s *shell) substitute(out io.Writer, substitution *syntax.CmdSubst) error {
	if len(substitution.Stmts) == 0 {
		return nil
	}
	if file := onlyRedirect(substitution); file != nil {
		in, err := s.p.Input(s.literal(file))
		if err != nil {
			s.errorf("%s", proc.Message(err))
			s.substituted = 1
			return nil
		}
		defer in.Close()
		_, err = io.Copy(out, in)
		return err
	}
	files := s.dupFiles()
	if old := files[1]; old != nil {
		_ = old.Close()
	}
	files[1] = proc.FromWriter(out)
	s.substituted = s.inSubshell(files, func(child *shell) { child.stmts(substitution.Stmts) })
	return nil
}

// onlyRedirect is the file of $(<file).
func onlyRedirect(substitution *syntax.CmdSubst) *syntax.Word {
	if len(substitution.Stmts) != 1 {
		return nil
	}
	statement := substitution.Stmts[0]
	if statement.Cmd == nil && len(statement.Redirs) == 1 && statement.Redirs[0].Op == syntax.RdrIn {
		return statement.Redirs[0].Word
	}
	return nil
}

func (s *shell) stmts(statements []*syntax.Stmt) {
	for _, statement := range statements {
		s.stmt(statement)
		if s.flow != onward {
			return
		}
	}
}

// stmt runs a statement with its redirections, its '!' and its '&'.
func (s *shell) stmt(statement *syntax.Stmt) {
	s.runTraps()
	s.p.Check()
	if s.opts.noexec {
		return
	}
	s.line = statement.Pos().Line()
	if statement.Background {
		s.background(statement)
		return
	}
	s.foreground(statement)
	s.runTraps()
}

func (s *shell) foreground(statement *syntax.Stmt) {
	if statement.Negated {
		s.tested++
	}
	undo, err := s.redirect(statement.Redirs)
	if err != nil {
		undo.restore()
		s.errorf("%s", err)
		s.status = 1
	} else {
		s.redirected(statement.Cmd, undo)
	}
	if statement.Negated {
		s.tested--
		if s.status == 0 {
			s.status = 1
		} else {
			s.status = 0
		}
		return
	}
	if s.status != 0 && s.opts.errexit && s.tested == 0 && s.flow == onward && failsShell(statement.Cmd) {
		s.exit(s.status)
	}
}

// redirected runs a command with its redirections in force, and takes them back however it ends.
func (s *shell) redirected(command syntax.Command, undo *undo) {
	keep := false
	defer func() {
		if keep {
			undo.forget()
		} else {
			undo.restore()
		}
	}()
	keep = s.command(command)
}

// failsShell tells whether errexit holds for a command itself: in lists and compounds it held for the parts already.
func failsShell(command syntax.Command) bool {
	switch command := command.(type) {
	case *syntax.BinaryCmd:
		return command.Op == syntax.Pipe || command.Op == syntax.PipeAll
	case *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.Block, *syntax.FuncDecl:
		return false
	}
	return true
}

// command runs a command, and tells whether its redirections stay in force: those of exec.
func (s *shell) command(command syntax.Command) (keep bool) {
	switch command := command.(type) {
	case nil:
		s.status = 0
	case *syntax.CallExpr:
		return s.call(command)
	case *syntax.Block:
		s.stmts(command.Stmts)
	case *syntax.Subshell:
		s.status = s.inSubshell(s.dupFiles(), func(child *shell) {
			child.tested = s.tested
			child.stmts(command.Stmts)
		})
	case *syntax.BinaryCmd:
		s.binary(command)
	case *syntax.IfClause:
		s.ifClause(command)
	case *syntax.WhileClause:
		s.while(command)
	case *syntax.ForClause:
		s.forClause(command)
	case *syntax.CaseClause:
		s.caseClause(command)
	case *syntax.FuncDecl:
		s.funcs[command.Name.Value] = command.Body
		s.status = 0
	case *syntax.DeclClause:
		s.declare(command)
	case *syntax.ArithmCmd:
		s.arithmetic(command.X)
	case *syntax.LetClause:
		for _, expression := range command.Exprs {
			s.arithmetic(expression)
		}
	case *syntax.TestClause:
		s.status = 1
		if s.testExpr(command.X) {
			s.status = 0
		}
	case *syntax.TimeClause:
		s.time(command)
	default:
		s.errorf("not supported: %T", command)
		s.status = 2
	}
	return false
}

func (s *shell) arithmetic(expression syntax.ArithmExpr) {
	value, err := expand.Arithm(s.config(), expression)
	s.check(err)
	s.status = 0
	if value == 0 {
		s.status = 1
	}
}

func (s *shell) condition(statements []*syntax.Stmt) bool {
	s.tested++
	s.stmts(statements)
	s.tested--
	return s.status == 0
}

func (s *shell) ifClause(clause *syntax.IfClause) {
	for clause != nil {
		if len(clause.Cond) == 0 {
			s.stmts(clause.Then)
			return
		}
		met := s.condition(clause.Cond)
		if s.flow != onward {
			return
		}
		if met {
			s.stmts(clause.Then)
			return
		}
		clause = clause.Else
	}
	s.status = 0
}

// loopEnds tells, after a loop's body, whether the loop is over.
func (s *shell) loopEnds() bool {
	switch s.flow {
	case onward:
		return false
	case returning:
		return true
	}
	if s.levels > 1 {
		s.levels--
		return true
	}
	over := s.flow == breaking
	s.flow = onward
	return over
}

func (s *shell) while(clause *syntax.WhileClause) {
	s.loops++
	defer func() { s.loops-- }()
	last := 0
	for {
		met := s.condition(clause.Cond)
		if s.flow != onward {
			if s.loopEnds() {
				return
			}
			continue
		}
		if met == clause.Until {
			break
		}
		s.stmts(clause.Do)
		last = s.status
		if s.loopEnds() {
			return
		}
	}
	s.status = last
}

func (s *shell) forClause(clause *syntax.ForClause) {
	s.loops++
	defer func() { s.loops-- }()
	switch loop := clause.Loop.(type) {
	case *syntax.WordIter:
		items := s.params
		if loop.InPos.IsValid() {
			items = s.fields(loop.Items)
		}
		s.status = 0
		for _, item := range items {
			s.set(loop.Name.Value, item)
			s.stmts(clause.Do)
			if s.loopEnds() {
				return
			}
		}
	case *syntax.CStyleLoop:
		s.countingLoop(loop, clause.Do)
	}
}

func (s *shell) countingLoop(loop *syntax.CStyleLoop, body []*syntax.Stmt) {
	evaluate := func(expression syntax.ArithmExpr) bool {
		if expression == nil {
			return true
		}
		value, err := expand.Arithm(s.config(), expression)
		s.check(err)
		return value != 0
	}
	s.status = 0
	for evaluate(loop.Init); evaluate(loop.Cond); evaluate(loop.Post) {
		s.stmts(body)
		if s.loopEnds() {
			return
		}
	}
}

func (s *shell) caseClause(clause *syntax.CaseClause) {
	subject := s.literal(clause.Word)
	s.status = 0
	through := false
	for _, item := range clause.Items {
		if !through && !s.matchesAny(item.Patterns, subject) {
			continue
		}
		s.stmts(item.Stmts)
		if s.flow != onward || item.Op == syntax.Break {
			return
		}
		through = item.Op == syntax.Fallthrough
	}
}

func (s *shell) matchesAny(patterns []*syntax.Word, subject string) bool {
	for _, word := range patterns {
		if s.matches(word, subject) {
			return true
		}
	}
	return false
}

func (s *shell) matches(word *syntax.Word, subject string) bool {
	text, err := expand.Pattern(s.config(), word)
	s.check(err)
	expression, err := pattern.Regexp(text, pattern.EntireString|pattern.ExtendedOperators)
	if err != nil {
		return text == subject
	}
	return compiled(expression).MatchString(subject)
}

func (s *shell) declare(clause *syntax.DeclClause) {
	s.status, s.substituted = 0, 0
	variant := clause.Variant.Value
	var options string
	for _, assign := range clause.Args {
		if assign.Name == nil {
			for _, word := range s.fields([]*syntax.Word{assign.Value}) {
				if strings.HasPrefix(word, "-") {
					options += word[1:]
				} else {
					s.declareOne(variant, options, word, nil)
				}
			}
			continue
		}
		s.declareOne(variant, options, assign.Name.Value, assign)
	}
	if len(clause.Args) == 0 || (options == "p" && len(clause.Args) == 1) {
		s.printDeclared(variant)
	}
}

func (s *shell) declareOne(variant, options, name string, assign *syntax.Assign) {
	if assigned, value, ok := strings.Cut(name, "="); ok && assign == nil {
		name = assigned
		s.attribute(variant, options, name, &value, nil)
		return
	}
	if !syntax.ValidName(name) {
		s.errorf("%s: %s: bad variable name", variant, name)
		s.status = 2
		return
	}
	if assign == nil || assign.Naked {
		s.attribute(variant, options, name, nil, nil)
		return
	}
	if assign.Array != nil {
		list := s.arrayOf(assign.Array)
		s.attribute(variant, options, name, nil, &list)
		return
	}
	value := s.literal(assign.Value)
	s.attribute(variant, options, name, &value, nil)
}

func (s *shell) attribute(variant, options, name string, value *string, list *[]string) {
	if variant == "local" || (variant == "declare" || variant == "typeset") && !strings.Contains(options, "g") {
		s.declareLocal(name)
	}
	attributes := expand.Variable{
		Kind:     expand.KeepValue,
		Exported: variant == "export" || strings.Contains(options, "x"),
		ReadOnly: variant == "readonly" || strings.Contains(options, "r"),
	}
	if variant == "export" && strings.Contains(options, "n") {
		current := s.vars[name]
		current.Exported = false
		s.vars[name] = current
		attributes.Exported = false
	}
	if value != nil {
		s.set(name, *value)
	} else if list != nil {
		s.check(s.assign(name, expand.Variable{Set: true, Kind: expand.Indexed, List: *list}))
	}
	s.check(s.assign(name, attributes))
}

func (s *shell) arrayOf(array *syntax.ArrayExpr) []string {
	var words []*syntax.Word
	for _, element := range array.Elems {
		words = append(words, element.Value)
	}
	return s.fields(words)
}

func (s *shell) printDeclared(variant string) {
	for _, entry := range s.sortedVars() {
		if (variant == "export" && !entry.value.Exported) || (variant == "readonly" && !entry.value.ReadOnly) {
			continue
		}
		s.p.Printf("%s %s=%s\n", variant, entry.name, quote(entry.value.String()))
	}
}

// assigns makes the assignments before a command's name.
func (s *shell) assigns(assigns []*syntax.Assign) {
	for _, assign := range assigns {
		name := assign.Name.Value
		switch {
		case assign.Array != nil:
			list := s.arrayOf(assign.Array)
			if assign.Append {
				list = append(append([]string{}, s.vars[name].List...), list...)
			}
			s.check(s.assign(name, expand.Variable{Set: true, Kind: expand.Indexed, List: list}))
		case assign.Index != nil:
			s.assignElement(name, assign)
		case assign.Append:
			s.set(name, s.get(name)+s.literal(assign.Value))
		default:
			value := s.literal(assign.Value)
			s.trace(func() string { return name + "=" + quote(value) })
			s.set(name, value)
		}
	}
}

func (s *shell) assignElement(name string, assign *syntax.Assign) {
	index, err := expand.Arithm(s.config(), assign.Index)
	s.check(err)
	list := append([]string{}, s.vars[name].List...)
	if index < 0 || index > 1<<16 {
		s.errorf("%s[%d]: bad array subscript", name, index)
		s.status = 1
		return
	}
	for len(list) <= index {
		list = append(list, "")
	}
	list[index] = s.literal(assign.Value)
	s.check(s.assign(name, expand.Variable{Set: true, Kind: expand.Indexed, List: list}))
}

func (s *shell) trace(text func() string) {
	if s.opts.xtrace {
		fmt.Fprintf(s.p.Err(), "%s%s\n", s.get("PS4"), text())
	}
}

// call runs a simple command.
func (s *shell) call(call *syntax.CallExpr) (keep bool) {
	s.substituted = 0
	args := s.fields(call.Args)
	args = s.expandAlias(args)
	if len(args) == 0 {
		s.assigns(call.Assigns)
		s.status = s.substituted
		return false
	}
	undo := s.temporary(call.Assigns, isSpecial(args[0]))
	defer undo()
	s.trace(func() string { return quoteAll(args) })
	return s.dispatch(args)
}

// temporary makes assignments for one command. Those before a special builtin stay.
func (s *shell) temporary(assigns []*syntax.Assign, stay bool) (undo func()) {
	if len(assigns) == 0 {
		return func() {}
	}
	old := map[string]*expand.Variable{}
	for _, assign := range assigns {
		name := assign.Name.Value
		if value, ok := s.vars[name]; ok {
			old[name] = &value
		} else {
			old[name] = nil
		}
	}
	s.assigns(assigns)
	if stay {
		return func() {}
	}
	for name := range old {
		value := s.vars[name]
		value.Exported = true
		s.vars[name] = value
	}
	return func() {
		for name, value := range old {
			if value == nil {
				delete(s.vars, name)
			} else {
				s.vars[name] = *value
			}
		}
	}
}

func (s *shell) expandAlias(args []string) []string {
	if len(args) == 0 || !s.interactive {
		return args
	}
	if value, ok := s.aliases[args[0]]; ok {
		return append(strings.Fields(value), args[1:]...)
	}
	return args
}

func (s *shell) dispatch(args []string) (keep bool) {
	name := args[0]
	if name == "exec" {
		return s.exec(args[1:])
	}
	if isSpecial(name) {
		s.status = builtins[name](s, args)
		return false
	}
	if body, ok := s.funcs[name]; ok {
		s.callFunction(body, args)
		return false
	}
	s.runBuiltinOrProgram(args)
	return false
}

func (s *shell) runBuiltinOrProgram(args []string) {
	if builtin, ok := builtins[args[0]]; ok {
		s.status = builtin(s, args)
		return
	}
	s.status = s.program(args)
}

// inShell tells the programs that a shell has in itself, so that they are there without a file on PATH.
func inShell(name string) bool { return name == "echo" || name == "printf" }

// program runs a program in a process of its own.
func (s *shell) program(args []string) int {
	child := s.p.System.Start(s.p.Context(), proc.Spec{
		Args: args, Env: s.exported(), Dir: s.p.Dir, Files: s.dupFiles(), Parent: s.p.PID,
	})
	return child.RunHere(s.lookupProgram(args[0]))
}

// lookupProgram gives errors the shell's own words.
func (s *shell) lookupProgram(name string) proc.Main {
	if main, ok := s.p.System.Programs[name]; ok && inShell(name) {
		return main
	}
	return func(p *proc.Proc) int {
		main, err := p.System.Lookup(p, name)
		if err == nil {
			return main(p)
		}
		fmt.Fprintf(p.Err(), "%s: %s\n", s.name, proc.Message(err))
		if strings.HasSuffix(err.Error(), "not found") || errors.Is(err, os.ErrNotExist) {
			return 127
		}
		return 126
	}
}

func (s *shell) exec(args []string) (keep bool) {
	if len(args) == 0 {
		s.status = 0
		return true
	}
	s.traps.clear("EXIT")
	s.exit(s.program(args))
	return true
}

func (s *shell) callFunction(body *syntax.Stmt, args []string) {
	params, loops := s.params, s.loops
	s.params, s.loops = args[1:], 0
	s.locals = append(s.locals, map[string]*expand.Variable{})
	s.calls++
	defer func() {
		s.calls--
		s.leaveScope()
		s.params, s.loops = params, loops
	}()
	if s.calls > maxCalls {
		s.errorf("%s: functions call one another too deeply", args[0])
		s.exit(2)
	}
	s.stmt(body)
	if s.flow == returning {
		s.flow = onward
	}
}

// maxCalls keeps a function that calls itself for ever from taking all memory.
const maxCalls = 1000
