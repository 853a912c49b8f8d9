package agnhost

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/signals"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sock"
)

const dialTimeout = 5 * time.Second

type netexecServer struct {
	p           *proc.Proc
	port        int
	udpReady    atomic.Bool
	terminating atomic.Bool
	server      *http.Server
	// exited gets the exit code.
	exited chan int
}

func netexec(p *proc.Proc) int {
	httpPort, udpPort, delay := 8080, 8081, 0
	override, addresses, certificate, key := "", "", "", ""
	sctp := -1
	flags(p, func(set *flag.FlagSet) {
		set.IntVar(&httpPort, "http-port", httpPort, "HTTP Listen Port")
		set.IntVar(&udpPort, "udp-port", udpPort, "UDP Listen Port")
		set.IntVar(&sctp, "sctp-port", sctp, "SCTP Listen Port")
		set.IntVar(&delay, "delay-shutdown", 0, "Number of seconds to delay shutdown when receiving SIGTERM.")
		set.StringVar(&override, "http-override", "", "Always respond as if it were a GET with this path & params")
		set.StringVar(&addresses, "udp-listen-addresses", "", "A comma separated list of ip addresses the udp servers listen from")
		set.StringVar(&certificate, "tls-cert-file", "", "File containing an x509 certificate for HTTPS.")
		set.StringVar(&key, "tls-private-key-file", "", "File containing the private key of --tls-cert-file")
	})
	if sctp != -1 {
		log.Print("SCTP is not to be had")
		return 1
	}
	s := &netexecServer{p: p, port: httpPort, exited: make(chan int, 4)}
	go s.untilTerminated(time.Duration(delay) * time.Second)
	if udpPort != -1 {
		go s.serveUDP(udpPort)
	}
	routes := s.routes()
	s.server = &http.Server{Handler: routes}
	if override != "" {
		s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			replaced, err := http.NewRequestWithContext(r.Context(), http.MethodGet, override, nil)
			if err != nil {
				http.Error(w, fmt.Sprintf("override request failed: %v", err), http.StatusInternalServerError)
				return
			}
			routes.ServeHTTP(w, replaced)
		})
	}
	go s.serveHTTP(certificate, key)
	return <-s.exited
}

func (s *netexecServer) untilTerminated(delay time.Duration) {
	<-signals.Notify(int(syscall.SIGTERM))
	s.terminating.Store(true)
	if delay > 0 {
		log.Printf("Sleeping %d seconds before terminating...", int(delay.Seconds()))
		time.Sleep(delay)
	}
	s.exited <- 0
}

func (s *netexecServer) serveHTTP(certificate, key string) {
	listener, err := sock.Listen(fmt.Sprintf(":%d", s.port))
	if err == nil {
		log.Printf("Started HTTP server on port %d", s.port)
		if certificate != "" {
			err = s.server.ServeTLS(listener, certificate, key)
		} else {
			err = s.server.Serve(listener)
		}
	}
	if err != http.ErrServerClosed {
		log.Print(err)
		s.exited <- 1
	}
}

func (s *netexecServer) serveUDP(port int) {
	log.Printf("Started UDP server on port  %d", port)
	s.udpReady.Store(true)
	err := answerUDP(port, func(text, from string) string {
		switch text = strings.ToLower(strings.TrimSpace(text)); {
		case text == "hostname":
			return posix.Hostname()
		case strings.HasPrefix(text, "echo "):
			return strings.TrimPrefix(text, "echo ")
		case text == "clientip":
			return from
		case text == "serverport":
			return strconv.Itoa(port)
		}
		return ""
	})
	s.udpReady.Store(false)
	log.Printf("UDP server exited: %v", err)
}

func (s *netexecServer) routes() http.Handler {
	mux := http.NewServeMux()
	hostname := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, posix.Hostname()) }
	handlers := map[string]http.HandlerFunc{
		"/":           func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "NOW: %v", time.Now()) },
		"/clientip":   func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) },
		"/serverport": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s.port) },
		"/header":     header, "/dial": dial, "/echo": echo, "/exit": s.exit, "/healthz": s.healthz, "/readyz": s.readyz,
		"/hostname": hostname, "/hostName": hostname, "/redirect": redirect, "/shell": s.shell, "/upload": upload,
		"/shutdown": func(http.ResponseWriter, *http.Request) { s.exited <- 0 },
	}
	for path, handler := range handlers {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			log.Printf("%s %s", r.Method, r.URL.RequestURI())
			handler(w, r)
		})
	}
	return mux
}

func writeJSON(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, fmt.Sprintf("response could not be serialized. %v", err), http.StatusExpectationFailed)
		return
	}
	_, _ = w.Write(text)
}

func header(w http.ResponseWriter, r *http.Request) {
	if key := r.FormValue("key"); key != "" {
		fmt.Fprint(w, r.Header.Get(key))
		return
	}
	writeJSON(w, r.Header)
}

func echo(w http.ResponseWriter, r *http.Request) {
	if text := r.FormValue("code"); text != "" {
		code, err := strconv.Atoi(text)
		if err != nil || code < 100 || code > 999 {
			fmt.Fprintf(w, "argument 'code' must be an integer or empty, got %q\n", text)
			return
		}
		w.WriteHeader(code)
	}
	fmt.Fprint(w, r.FormValue("msg"))
}

func (s *netexecServer) exit(w http.ResponseWriter, r *http.Request) {
	durations := map[string]time.Duration{}
	for _, name := range []string{"wait", "timeout"} {
		text := r.FormValue(name)
		value, err := time.ParseDuration(text)
		if err != nil && text != "" {
			fmt.Fprintf(w, "argument '%s' must be a valid golang duration or empty, got %q\n", name, text)
			return
		}
		durations[name] = value
	}
	code, err := strconv.Atoi(r.FormValue("code"))
	if err != nil && r.FormValue("code") != "" {
		fmt.Fprintf(w, "argument 'code' must be an integer [0-127] or empty, got %q\n", r.FormValue("code"))
		return
	}
	time.Sleep(durations["wait"])
	if durations["timeout"] == 0 {
		s.exited <- code
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), durations["timeout"])
		defer cancel()
		log.Printf("Graceful shutdown completed with: %v", s.server.Shutdown(ctx))
		s.exited <- code
	}()
}

func (s *netexecServer) healthz(w http.ResponseWriter, _ *http.Request) {
	if !s.udpReady.Load() {
		w.WriteHeader(http.StatusPreconditionFailed)
	}
}

func (s *netexecServer) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.terminating.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "shutting down")
	case s.udpReady.Load():
		fmt.Fprint(w, "ok")
	default:
		w.WriteHeader(http.StatusPreconditionFailed)
	}
}

func redirect(w http.ResponseWriter, r *http.Request) {
	code := http.StatusFound
	if text := r.FormValue("code"); text != "" {
		var err error
		if code, err = strconv.Atoi(text); err != nil {
			fmt.Fprintf(w, "argument 'code' must be an integer or empty, got %q\n", text)
			return
		}
	}
	http.Redirect(w, r, r.FormValue("location"), code)
}

// dial sends requests to another server and tells what came back.
func dial(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	tries := 1
	if text := values.Get("tries"); text != "" {
		var err error
		if tries, err = strconv.Atoi(text); err != nil {
			http.Error(w, fmt.Sprintf("tries parameter is invalid. %v", err), http.StatusBadRequest)
			return
		}
	}
	request := values.Get("request")
	if request == "" {
		http.Error(w, "request parameter not specified. <nil>", http.StatusBadRequest)
		return
	}
	address := net.JoinHostPort(values.Get("host"), values.Get("port"))
	send := dialHTTP
	switch protocol := strings.ToLower(values.Get("protocol")); protocol {
	case "", "http":
	case "udp":
		send = dialUDP
	default:
		http.Error(w, "unsupported protocol. "+protocol, http.StatusBadRequest)
		return
	}
	var responses, failures []string
	for range tries {
		answer, err := send(address, request)
		if err != nil {
			failures = append(failures, err.Error())
		} else {
			responses = append(responses, answer)
		}
	}
	output := map[string][]string{}
	if len(responses) > 0 {
		output["responses"] = responses
	}
	if len(failures) > 0 {
		output["errors"] = failures
	}
	writeJSON(w, output)
}

func dialHTTP(address, request string) (string, error) {
	client := &http.Client{Timeout: dialTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return sock.Dial(ctx, "tcp", address)
		},
	}}
	answer, err := client.Get("http://" + address + "/" + request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func dialUDP(address, request string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := sock.Dial(ctx, "udp", address)
	if err != nil {
		return "", fmt.Errorf("udp dial failed. err:%v", err)
	}
	defer conn.Close()
	answer, err := exchange(conn, request, dialTimeout)
	if err != nil || answer == "" {
		return "", fmt.Errorf("reading from udp connection failed. err:'%v'", err)
	}
	return answer, nil
}

// shell runs a command line in this instance's own shell.
func (s *netexecServer) shell(w http.ResponseWriter, r *http.Request) {
	line := r.FormValue("shellCommand")
	if line == "" {
		line = r.FormValue("cmd")
	}
	var output bytes.Buffer
	files := map[int]*proc.File{
		0: proc.FromReader(strings.NewReader("")), 1: proc.FromWriter(&output), 2: proc.FromWriter(&output),
	}
	child := s.p.System.Start(r.Context(), proc.Spec{
		Args: []string{"/bin/sh", "-c", line}, Env: s.p.Env, Dir: s.p.Dir, Files: files, Parent: s.p.PID,
	})
	code := child.RunHere(nil)
	result := map[string]string{}
	if output.Len() > 0 {
		result["output"] = output.String()
	}
	if code != 0 {
		result["error"] = fmt.Sprintf("exit status %d", code)
	}
	writeJSON(w, result)
}

func upload(w http.ResponseWriter, r *http.Request) {
	name, problem := receive(r)
	if problem != "" {
		log.Print(problem)
		writeJSON(w, map[string]string{"error": problem})
		return
	}
	w.WriteHeader(http.StatusCreated)
	writeJSON(w, map[string]string{"output": name})
}

func receive(r *http.Request) (name, problem string) {
	file, _, err := r.FormFile("file")
	if err != nil {
		return "", "Unable to upload file."
	}
	defer file.Close()
	saved, err := os.CreateTemp("/uploads", "upload")
	if err != nil {
		return "", "Unable to open file for write"
	}
	defer saved.Close()
	if _, err := io.Copy(saved, file); err != nil {
		return "", "Unable to write file."
	}
	if posix.HasModes() && posix.Chmod(saved.Name(), 0o700) != nil {
		return "", "Unable to chmod file."
	}
	return saved.Name(), ""
}
