package applets_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/applets"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// scripts behave the same in every POSIX shell. Each runs in an empty directory.
var scripts = map[string]string{
	"echo":                     `echo hello   world; echo -n no newline`,
	"exit code":                `exit 42`,
	"exit code of the last":    `true; false`,
	"variables":                `a=1 b="two words"; echo $a "$b" ${c:-default} ${a:+set} ${#b} ${b#two } ${b%words}`,
	"arithmetic":               `i=0; while [ $i -lt 5 ]; do i=$((i+1)); done; echo $((i * 2 % 7)) $((1 << 4)) $((3 > 2 && 0))`,
	"for":                      `for x in a b c; do [ $x = b ] && continue; echo $x; done`,
	"break 2":                  `for x in 1 2; do for y in 1 2; do break 2; done; echo never; done; echo out`,
	"until":                    `n=3; until [ $n -eq 0 ]; do echo $n; n=$((n-1)); done`,
	"case":                     `for w in apple banana x.txt; do case $w in a*) echo A;; *an*|zz) echo B;; *.txt) echo T;; esac; done`,
	"if elif else":             `for n in 1 2 3; do if [ $n = 1 ]; then echo one; elif [ $n = 2 ]; then echo two; else echo many; fi; done`,
	"functions":                `f() { local x=$1; echo "f $x $#"; return 3; }; x=outer; f a b; echo $? $x`,
	"pipes":                    `printf 'b\na\nc\n' | sort | head -n 2 | tr a-z A-Z`,
	"pipe status":              `true | false; echo $?; false | true; echo $?`,
	"a pipe nobody reads":      `yes | head -n 3; echo done`,
	"command substitution":     `echo "$(echo inner $(echo nested))" ` + "`echo old`",
	"substitution status":      `x=$(exit 3); echo $?; echo "$(false)$?"`,
	"redirects":                `echo one > f; echo two >> f; cat < f; cat f | wc -l | tr -d ' '`,
	"stderr":                   `{ echo out; echo err >&2; } 2>&1 | sort`,
	"swap":                     `{ echo out; echo err >&2; } 3>&1 1>&2 2>&3 | cat`,
	"descriptors":              `exec 3> f; echo three >&3; exec 3>&-; cat f`,
	"here-document":            "x=val\ncat <<E\nx is $x $(echo sub)\nE\ncat <<'E'\nx is $x\nE\ncat <<-E\n\ttabs\n\tE",
	"subshell":                 `x=1; (x=2; echo $x; exit 5); echo $? $x`,
	"cd in a subshell":         `mkdir d; (cd d; echo in > f); cat d/f; cd d && cat f`,
	"trap on exit":             `trap 'echo bye $?' EXIT; echo hi; exit 7`,
	"trap on exit in subshell": `(trap 'echo sub' EXIT; echo a); echo b`,
	"errexit":                  `set -e; false || echo ok; if false; then :; fi; ! true; echo still; false; echo never`,
	"errexit in a function":    `set -e; f() { false; echo never; }; f; echo never`,
	"nounset":                  `set -u; echo ${x-unset}; echo $x; echo never`,
	"background and wait":      `(exit 4) & wait $!; echo $?; sleep 0 & sleep 0 & wait; echo all`,
	"background output":        `{ echo bg; } > f & wait; cat f`,
	"kill a job":               `sleep 100 & kill $!; wait $! 2>/dev/null; echo $?`,
	"trap in a job":            `(trap 'echo got; exit 3' TERM; while :; do sleep 0.01; done) & sleep 0.1; kill -TERM $!; wait $!; echo $?`,
	"globbing":                 `touch b.txt a.txt c.md .hidden; echo *.txt; echo *; echo "*" none*; for f in *.md; do echo $f; done`,
	"quotes":                   `echo 'a  b' "c  d" e\ \ f "\$x" '$x' "a\"b"`,
	"splitting":                `v="a b  c"; set -- $v; echo $#; IFS=:; v=x:y; set -- $v; echo $1 $2`,
	"parameters":               `set -- a "b c" d; for p in "$@"; do echo "$p"; done; echo "$*" $#; shift; echo $1`,
	"read":                     `printf 'one two three\nnext\n' | { read a b; echo "$a-$b"; read c; echo $c; read d; echo $?; }`,
	"while read":               `printf '1\n2\n3\n' | while read n; do echo "n=$n"; done`,
	"read and a command":       `printf 'first\nsecond\n' | (read x; echo "x=$x"; cat)`,
	"test files":               `touch f; mkdir d; [ -f f ] && [ -d d ] && [ ! -e x ] && [ ! -s f ] && echo yes; test -d f; echo $?`,
	"test strings":             `[ a = a ] && [ a != b ] && [ -n x ] && [ -z "" ] && echo yes; [ 1 -lt 2 -a 3 -gt 2 ] && echo and; [ "" -o x ] && echo or`,
	"test brackets":            `[ \( a = b \) -o ! \( c = d \) ] && echo yes`,
	"not found":                `nosuchprogram 2>/dev/null; echo $?`,
	"awk fields":               `printf 'a b c\nd e f\n' | awk '{print $2, NF, NR}'; printf 'x:y\n' | awk -F: -v p=- '{print $2 p $1}'`,
	"awk program":              `seq 1 10 | awk 'BEGIN {s=0} $1 % 2 == 0 {s+=$1; n[$1]=1} END {print s, length(n); exit 3}'; echo $?`,
	"awk files":                `mkdir d; cd d; echo 'hello world' > f; echo one >> f; awk 'END {print NR, toupper($1)}' f; awk '/wor/ {gsub(/o/, "0"); print FNR, $0}' f`,
	"printf":                   `printf '%s-%d-%05.1f|%-5s|%5s|%x\n' a 7 3.14159 l r 255; printf '%s\n' 1 2 3; printf 'a\tb\\n\n'; printf %b 'x\ny\n'`,
	"eval":                     `x='echo evaluated'; eval $x; eval 'y=5'; echo $y`,
	"dot":                      `echo 'z=sourced' > lib; . ./lib; echo $z`,
	"exec replaces":            `exec echo replaced; echo never`,
	"env of one command":       `X=1 sh -c 'echo $X'; echo ${X:-none}; export Y=2; sh -c 'echo $Y'`,
	"arguments of -c":          `sh -c 'echo $0 $1 $#' name one two`,
	"a script":                 "echo 'echo script $1; exit 3' > s; sh s arg; echo $?",
	"and or":                   `true && echo a || echo b; false && echo c || echo d`,
	"negation":                 `! false; echo $?; ! true; echo $?`,
	"empty for":                `for x in; do echo never; done; echo $?`,
	"nested quotes":            `echo "a $(echo "b c") d"`,
	"alternation":              `x=; echo ${x:=assigned} $x; (: ${nope:?message}) 2>/dev/null; echo $?`,
	"xtrace":                   `set -x; echo traced; x=1`,
	"command -v":               `command -v cd; command -v nosuch; echo $?`,
	"getopts":                  `set -- -a -b val rest; while getopts ab: o; do echo $o $OPTARG; done; shift $((OPTIND-1)); echo $1`,
	"unset":                    `x=1; unset x; echo ${x-gone}; f() { :; }; unset -f f; f 2>/dev/null; echo $?`,
	"return value":             `f() { return; }; false; f; echo $?`,
	"comments":                 "echo a # comment\n# whole line\necho b",
	"continuation":             "echo a \\\nb",
	"syntax error late":        "echo first\n)",
	"umask":                    `umask 027; umask`,
	"pwd":                      `mkdir -p a/b; cd a/b; cd ..; basename "$(pwd)"; cd - >/dev/null; basename "$PWD"`,
	"readonly":                 `readonly r=1; (r=2) 2>/dev/null; echo $?`,
	"a lot through a pipe":     `seq 1 20000 | tail -n 1; seq 1 20000 | wc -l | tr -d ' '`,
	"grep":                     `printf 'foo\nbar\nbaz\n' > f; grep ba f; grep -c ba f; grep -v ba f; grep -q foo f; echo $?; grep none f; echo $?; grep -E '^(foo|bar)$' f; grep -n ba. f; grep -o 'a.' f; grep -w fo f; echo $?`,
	"sed":                      `printf 'one\ntwo\nthree\n' | sed 's/o/0/g'; printf 'a\nb\nc\n' | sed -n '2p'; printf 'a\nb\nc\n' | sed '/b/d'; echo abc | sed 's/\(a\)\(b\)/\2\1/'; printf '1\n2\n3\n4\n' | sed '2,3d'; echo x | sed -e s/x/y/ -e s/y/z/; printf 'a\nb\n' | sed '$d'`,
	"cut":                      `echo a:b:c | cut -d: -f2; echo a:b:c | cut -d: -f1,3; echo abcdef | cut -c2-4`,
	"tr":                       `echo hello | tr a-z A-Z; echo aabbcc | tr -s a-z; echo a1b2 | tr -d 0-9; echo 'a b' | tr ' ' '\n'; echo hi | tr -dc 'a-h'`,
	"sort":                     `printf '10\n9\n1\n' | sort -n; printf 'b 1\na 2\n' | sort -k2; printf 'a\nb\na\n' | sort -u; printf 'a\nb\n' | sort -r`,
	"uniq":                     `printf 'a\na\nb\n' | uniq; printf 'a\na\nb\n' | uniq -d`,
	"head and tail":            `seq 10 > f; head -n 2 f; tail -n 2 f; head -3 f | tail -1; tail -n +9 f; head -c 3 f; tail -c 3 f`,
	"cp mv rm":                 `echo x > a; cp a b; mv b c; cat c; rm a c; ls; mkdir -p d/e; echo y > d/e/f; cp -r d g; cat g/e/f; rm -rf d g; ls`,
	"ln and readlink":          `echo t > target; ln -s target link; readlink link; cat link; ln target hard; cat hard; [ -L link ] && echo link`,
	"touch and ls":             `touch b a; ls; ls -a | head -n 4; ls -1 nosuch 2>/dev/null || echo failed`,
	"modes":                    `umask 022; touch f; chmod 640 f; stat -c '%a %s %F' f; mkdir d; chmod u=rwx,go=rx d; stat -c %A d; ls -ld d | cut -c1-10; chmod +x f; stat -c %a f`,
	"find":                     `mkdir -p a/b; touch a/x.txt a/b/y.txt a/b/z.md; find a -name '*.txt' | sort; find a -type d | sort; find a -maxdepth 1 -type f; find a -name '*.md' -exec echo found {} \;`,
	"xargs":                    `printf 'a b\nc\n' | xargs echo; printf '1\n2\n3\n' | xargs -n 2 echo; printf 'x\ny\n' | xargs -I{} echo '<{}>'`,
	"digests":                  `printf hello | md5sum; printf hello | sha256sum | cut -c1-8; printf hello | base64; printf aGVsbG8= | base64 -d`,
	"od":                       `printf 'hello\n' | od -c; printf 'AB' | od -An -tx1; printf 'hello world 12345678' | hexdump -C`,
	"basename and dirname":     `basename /a/b.txt .txt; basename /a/; dirname /a/b; dirname a; dirname /a`,
	"tar":                      `mkdir d; echo x > d/f; tar cf t.tar d; rm -r d; tar xf t.tar; cat d/f; tar tf t.tar; tar czf - d | tar tzf -`,
	"tee":                      `echo x | tee a b | cat; cat a b; echo y | tee -a a >/dev/null; cat a`,
	"env":                      `env -i A=1 sh -c 'echo $A $HOME'; env A=2 printenv A; printenv NOSUCH; echo $?`,
	"expr":                     `expr 1 + 2 \* 3; expr abc : 'a\(.*\)'; expr 1 = 2; expr length hello`,
	"seq":                      `seq 3; seq 2 4; seq 1 2 5; seq 3 1`,
	"wc":                       `printf 'a b\nc\n' > f; wc -l < f | tr -d ' '; wc -w < f | tr -d ' '; wc -c < f | tr -d ' '`,
	"dd":                       `dd if=/dev/zero of=f bs=1024 count=3 2>/dev/null; wc -c < f | tr -d ' '; printf abcdef | dd bs=1 skip=2 count=3 2>/dev/null`,
	"timeout":                  `timeout 5 true; echo $?; timeout 0.05 sleep 5; [ $? -ge 124 ] && echo expired`,
	"date":                     `date -u -d @0 '+%Y-%m-%d %H:%M:%S %a %b %j %s'`,
	"diff and cmp":             `echo a > x; echo a > y; diff x y; echo $?; cmp x y; echo $?; echo b > y; diff -q x y; cmp -s x y; echo $?`,
	"mktemp":                   `f=$(mktemp -p .); [ -f "$f" ] && echo made; d=$(mktemp -d ./XXXXXX); [ -d "$d" ] && echo made`,
	"loops with files":         `for i in 1 2 3; do echo $i; done > f; while read x; do echo "<$x>"; done < f`,
	"redirect to nowhere":      `echo x > /nosuch/file || echo failed`,
	"devices":                  `echo x > /dev/null; cat /dev/null; head -c 4 /dev/zero | od -An -tx1; echo e > /dev/stderr; echo o > /dev/stdout`,
	"big here-document":        "cat <<E | wc -c | tr -d ' '\n" + strings.Repeat("0123456789\n", 10000) + "E",
	"recursion":                `fact() { if [ $1 -le 1 ]; then echo 1; else echo $(( $1 * $(fact $(($1 - 1))) )); fi; }; fact 6`,
	"stdin of a loop":          `printf 'a\nb\n' | while read x; do echo $x; cat; done`,
}

func TestScriptsDoAsInTheMachinesShell(t *testing.T) {
	reference, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh on this machine to compare with")
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.Command(reference, "-c", script)
			command.Dir = t.TempDir()
			command.Env = environment
			var wantOut, wantErr bytes.Buffer
			command.Stdout, command.Stderr = &wantOut, &wantErr
			_ = command.Run()
			out, errs, code := run(t, script)
			if want := command.ProcessState.ExitCode(); code != want {
				t.Errorf("exit code %d, want %d; stderr %q", code, want, errs)
			}
			if out != wantOut.String() {
				t.Errorf("stdout %q, want %q; stderr %q", out, wantOut.String(), errs)
			}
			if (errs == "") != (wantErr.Len() == 0) {
				t.Errorf("stderr %q, want %q", errs, wantErr.String())
			}
		})
	}
}

var environment = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "LC_ALL=C", "TZ=UTC"}

func run(t *testing.T, script string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	system := &proc.System{Programs: applets.Programs(), Standalone: true}
	files := map[int]*proc.File{
		0: proc.FromReader(strings.NewReader("")), 1: proc.FromWriter(&out), 2: proc.FromWriter(&errs),
	}
	p := system.Start(context.Background(), proc.Spec{Args: []string{"sh", "-c", script}, Env: environment, Dir: t.TempDir(), Files: files})
	code = p.RunHere(nil)
	return out.String(), errs.String(), code
}
