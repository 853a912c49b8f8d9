package sh

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

func test(s *shell, args []string) int { return Test(s.p, args) }

// Test is test(1) and [(1): 0 true, 1 false, 2 not an expression.
func Test(p *proc.Proc, args []string) int {
	words := args[1:]
	if args[0] == "[" {
		if len(words) == 0 || words[len(words)-1] != "]" {
			fmt.Fprintf(p.Err(), "%s: missing ]\n", args[0])
			return 2
		}
		words = words[:len(words)-1]
	}
	t := &testWords{p: p, words: words}
	result, err := t.evaluate()
	if err != nil {
		fmt.Fprintf(p.Err(), "%s: %s\n", args[0], err)
		return 2
	}
	if result {
		return 0
	}
	return 1
}

// testWords is an expression of test(1) as far as it is read.
type testWords struct {
	p     *proc.Proc
	words []string
	at    int
}

func (t *testWords) evaluate() (bool, error) {
	// Up to four words are read by their number, so that operands that look like operators do no harm.
	switch len(t.words) {
	case 0:
		return false, nil
	case 1:
		return t.words[0] != "", nil
	case 3:
		if isBinary(t.words[1]) {
			return binaryTest(t.p, t.words[0], t.words[1], t.words[2])
		}
	case 4:
		if t.words[0] == "!" && isBinary(t.words[2]) {
			result, err := binaryTest(t.p, t.words[1], t.words[2], t.words[3])
			return !result, err
		}
	}
	result, err := t.or()
	if err == nil && t.at < len(t.words) {
		return false, fmt.Errorf("%s: unknown operand", t.words[t.at])
	}
	return result, err
}

func (t *testWords) peek(ahead int) string {
	if t.at+ahead < len(t.words) {
		return t.words[t.at+ahead]
	}
	return ""
}

func (t *testWords) or() (bool, error) {
	result, err := t.and()
	for err == nil && t.peek(0) == "-o" {
		t.at++
		var right bool
		right, err = t.and()
		result = result || right
	}
	return result, err
}

func (t *testWords) and() (bool, error) {
	result, err := t.primary()
	for err == nil && t.peek(0) == "-a" {
		t.at++
		var right bool
		right, err = t.primary()
		result = result && right
	}
	return result, err
}

func (t *testWords) primary() (bool, error) {
	left := len(t.words) - t.at
	if left == 0 {
		return false, errors.New("argument expected")
	}
	word := t.peek(0)
	if left >= 3 && isBinary(t.peek(1)) {
		t.at += 3
		return binaryTest(t.p, word, t.words[t.at-2], t.words[t.at-1])
	}
	if word == "!" {
		t.at++
		result, err := t.primary()
		return !result, err
	}
	if word == "(" {
		t.at++
		result, err := t.or()
		if err == nil && t.peek(0) != ")" {
			return false, errors.New("closing paren expected")
		}
		t.at++
		return result, err
	}
	if left >= 2 && isUnary(word) {
		t.at += 2
		return unaryTest(t.p, word, t.words[t.at-1])
	}
	t.at++
	return word != "", nil
}

func isBinary(word string) bool {
	switch word {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-gt", "-ge", "-lt", "-le", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func isUnary(word string) bool {
	return len(word) == 2 && word[0] == '-' && strings.ContainsRune("bcdefghkLnpOGrsStuwxz", rune(word[1]))
}

func binaryTest(p *proc.Proc, left, operator, right string) (bool, error) {
	switch operator {
	case "=", "==":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<":
		return left < right, nil
	case ">":
		return left > right, nil
	case "-nt", "-ot", "-ef":
		return compareFiles(p, left, operator, right), nil
	}
	a, err := testNumber(left)
	if err != nil {
		return false, err
	}
	b, err := testNumber(right)
	if err != nil {
		return false, err
	}
	switch operator {
	case "-eq":
		return a == b, nil
	case "-ne":
		return a != b, nil
	case "-gt":
		return a > b, nil
	case "-ge":
		return a >= b, nil
	case "-lt":
		return a < b, nil
	}
	return a <= b, nil
}

func testNumber(text string) (int64, error) {
	number, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bad number '%s'", text)
	}
	return number, nil
}

func compareFiles(p *proc.Proc, left, operator, right string) bool {
	a, errA := posix.GetStat(p.Path(left), true)
	b, errB := posix.GetStat(p.Path(right), true)
	switch operator {
	case "-nt":
		return errA == nil && (errB != nil || a.Mtime > b.Mtime)
	case "-ot":
		return errB == nil && (errA != nil || a.Mtime < b.Mtime)
	}
	return errA == nil && errB == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

func unaryTest(p *proc.Proc, operator, word string) (bool, error) {
	switch operator {
	case "-n":
		return word != "", nil
	case "-z":
		return word == "", nil
	case "-t":
		fd, err := strconv.Atoi(word)
		return err == nil && isTerminal(p.Files[fd]), nil
	case "-r":
		return word != "" && posix.Access(p.Path(word), posix.Read) == nil, nil
	case "-w":
		return word != "" && posix.Access(p.Path(word), posix.Write) == nil, nil
	case "-x":
		return word != "" && posix.Access(p.Path(word), posix.Execute) == nil, nil
	}
	if word == "" {
		return false, nil
	}
	stat, err := posix.GetStat(p.Path(word), operator != "-L" && operator != "-h")
	if err != nil {
		return false, nil
	}
	return fileTest(operator, stat), nil
}

func fileTest(operator string, stat *posix.Stat) bool {
	switch operator {
	case "-e":
		return true
	case "-f":
		return stat.Is(posix.Regular)
	case "-d":
		return stat.Is(posix.Directory)
	case "-L", "-h":
		return stat.Is(posix.Link)
	case "-p":
		return stat.Is(posix.Fifo)
	case "-S":
		return stat.Is(posix.Socket)
	case "-b":
		return stat.Is(posix.Block)
	case "-c":
		return stat.Is(posix.Character)
	case "-s":
		return stat.Size > 0
	case "-u":
		return stat.Mode&0o4000 != 0
	case "-g":
		return stat.Mode&0o2000 != 0
	case "-k":
		return stat.Mode&0o1000 != 0
	case "-O":
		return int(stat.UID) == posix.Geteuid()
	case "-G":
		return int(stat.GID) == posix.Getegid()
	}
	return false
}

// testExpr is [[ … ]].
func (s *shell) testExpr(expression syntax.TestExpr) bool {
	switch expression := expression.(type) {
	case *syntax.Word:
		return s.literal(expression) != ""
	case *syntax.ParenTest:
		return s.testExpr(expression.X)
	case *syntax.UnaryTest:
		return s.unaryExpr(expression)
	case *syntax.BinaryTest:
		return s.binaryExpr(expression)
	}
	return false
}

func (s *shell) unaryExpr(expression *syntax.UnaryTest) bool {
	if expression.Op == syntax.TsNot {
		return !s.testExpr(expression.X)
	}
	word, ok := expression.X.(*syntax.Word)
	if !ok {
		return false
	}
	if expression.Op == syntax.TsVarSet {
		return s.lookup(s.literal(word)).IsSet()
	}
	result, err := unaryTest(s.p, expression.Op.String(), s.literal(word))
	s.check(err)
	return result
}

func (s *shell) binaryExpr(expression *syntax.BinaryTest) bool {
	switch expression.Op {
	case syntax.AndTest:
		return s.testExpr(expression.X) && s.testExpr(expression.Y)
	case syntax.OrTest:
		return s.testExpr(expression.X) || s.testExpr(expression.Y)
	}
	left, _ := expression.X.(*syntax.Word)
	right, _ := expression.Y.(*syntax.Word)
	switch expression.Op {
	case syntax.TsMatch, syntax.TsMatchShort:
		return s.matches(right, s.literal(left))
	case syntax.TsNoMatch:
		return !s.matches(right, s.literal(left))
	case syntax.TsReMatch:
		matcher, err := regexp.Compile(s.literal(right))
		s.check(err)
		found := matcher.FindStringSubmatch(s.literal(left))
		if found != nil {
			s.vars["BASH_REMATCH"] = arrayVariable(found)
		}
		return found != nil
	}
	result, err := binaryTest(s.p, s.literal(left), expression.Op.String(), s.literal(right))
	s.check(err)
	return result
}
