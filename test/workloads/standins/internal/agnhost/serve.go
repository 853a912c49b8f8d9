package agnhost

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/signals"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sock"
)

func init() {
	servers := map[string]command{
		"liveness":             {"Starts a server that is alive for 10 seconds", liveness},
		"test-webserver":       {"Starts a simple HTTP fileserver", testWebserver},
		"serve-hostname":       {"Serves the hostname", serveHostname},
		"porter":               {"Serves requested data on ports specified in ENV variables", porter},
		"connect":              {"Attempts a TCP or UDP connection and returns useful errors", connect},
		"netexec":              {"Creates HTTP and UDP servers with various endpoints", netexec},
		"grpc-health-checking": {"Starts a simple grpc health checking endpoint", grpcHealth},
		"etc-hosts":            {"Prints the host's /etc/hosts file", printFile("/etc/hosts")},
		"dns-suffix":           {"Prints the host's DNS suffix list", dnsSuffix},
		"dns-server-list":      {"Prints the host's DNS Server list", dnsServers},
	}
	for name, command := range servers {
		commands[name] = command
	}
}

func printFile(name string) proc.Main {
	return func(p *proc.Proc) int {
		content, err := os.ReadFile(name)
		if err != nil {
			return p.Fail(err)
		}
		p.Printf("%s", content)
		return 0
	}
}

// resolvConf is what /etc/resolv.conf has after a keyword.
func resolvConf(keyword string) (values []string) {
	content, _ := os.ReadFile("/etc/resolv.conf")
	for _, line := range strings.Split(string(content), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == keyword {
			values = append(values, fields[1:]...)
		}
	}
	return values
}

func dnsSuffix(p *proc.Proc) int {
	p.Printf("%s\n", strings.Join(resolvConf("search"), ","))
	return 0
}

func dnsServers(p *proc.Proc) int {
	p.Printf("%s\n", strings.Join(resolvConf("nameserver"), ","))
	return 0
}

// serve answers HTTP on a port of all addresses, for ever.
func serve(p *proc.Proc, port int, handler http.Handler) int {
	listener, err := sock.Listen(fmt.Sprintf(":%d", port))
	if err == nil {
		err = http.Serve(listener, handler)
	}
	fmt.Fprintf(p.Err(), "%v\n", err)
	return 1
}

func liveness(p *proc.Proc) int {
	const healthy = 10 * time.Second
	started := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("/started", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, time.Since(started)) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if age := time.Since(started); age > healthy {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, "error: %v", age.Seconds())
			return
		}
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		location, err := url.QueryUnescape(r.URL.Query().Get("loc"))
		if err != nil {
			http.Error(w, fmt.Sprintf("invalid redirect: %q", r.URL.Query().Get("loc")), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, location, http.StatusFound)
	})
	return serve(p, 8080, mux)
}

func testWebserver(p *proc.Proc) int {
	port := 80
	flags(p, func(set *flag.FlagSet) { set.IntVar(&port, "port", port, "Port number.") })
	files := http.FileServer(http.Dir("/"))
	return serve(p, port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "private")
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Allow-Credentials", "true")
		header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		r.Header.Del("If-Modified-Since")
		files.ServeHTTP(w, r)
	}))
}

func serveHostname(p *proc.Proc) int {
	var tcp, udp, closes bool
	web, port := true, 9376
	flags(p, func(set *flag.FlagSet) {
		set.BoolVar(&tcp, "tcp", false, "Serve raw over TCP.")
		set.BoolVar(&udp, "udp", false, "Serve raw over UDP.")
		set.BoolVar(&web, "http", true, "Serve HTTP.")
		set.BoolVar(&closes, "close", false, "Close connection per each HTTP request.")
		set.IntVar(&port, "port", port, "Port number.")
	})
	if web && (tcp || udp) {
		log.Print("Can't server TCP/UDP mode and HTTP mode at the same time")
		return 1
	}
	arrived := signals.Notify(int(syscall.SIGTERM))
	name := posix.Hostname()
	ended := make(chan error, 3)
	if tcp {
		go func() { ended <- answerTCP(port, name) }()
	}
	if udp {
		go func() { ended <- answerUDP(port, func(string, string) string { return name }) }()
	}
	if web {
		go func() {
			serve(p, port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				log.Printf("HTTP request from %s", r.RemoteAddr)
				if closes {
					w.Header().Add("Connection", "close")
				}
				fmt.Fprint(w, name)
			}))
			ended <- errors.New("no longer served")
		}()
	}
	log.Printf("Serving on port %d.\n", port)
	select {
	case err := <-ended:
		log.Print(err)
		return 1
	case <-arrived:
		log.Printf("Shutting down after receiving signal: terminated.\n")
		log.Printf("Awaiting pod deletion.\n")
		p.Sleep(60 * time.Second)
		return 0
	}
}

func answerTCP(port int, text string) error {
	listener, err := sock.Listen(fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		log.Printf("TCP request from %s", conn.RemoteAddr())
		if _, err := conn.Write([]byte(text)); err != nil {
			log.Print(err)
		}
		_ = conn.Close()
	}
}

// answerUDP answers each datagram with what answer gives, unless that is "".
func answerUDP(port int, answer func(text, from string) string) error {
	socket, err := sock.ListenPacket(fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	defer socket.Close()
	buffer := make([]byte, 2048)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if reply := answer(string(buffer[:n]), from.String()); reply != "" {
			if _, err := socket.WriteTo([]byte(reply), from); err != nil {
				return err
			}
		}
	}
}

// porter serves what variables SERVE_PORT_… and the like hold, each on its port.
func porter(p *proc.Proc) int {
	asJSON := false
	flags(p, func(set *flag.FlagSet) {
		set.BoolVar(&asJSON, "json-response", false, "Respond with JSON that has the method too")
	})
	for _, variable := range p.Env {
		name, value, _ := strings.Cut(variable, "=")
		for _, prefix := range []string{"SERVE_PORT_", "SERVE_TCP_PORT_", "SERVE_UDP_PORT_"} {
			text, ok := strings.CutPrefix(name, prefix)
			if !ok {
				continue
			}
			var port int
			if _, err := fmt.Sscanf(text, "%d", &port); err != nil {
				continue
			}
			if prefix == "SERVE_UDP_PORT_" {
				go func() { log.Print(answerUDP(port, func(string, string) string { return value })) }()
			} else {
				go serve(p, port, porterHandler(value, asJSON))
			}
		}
	}
	select {}
}

func porterHandler(value string, asJSON bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asJSON {
			writeJSON(w, map[string]string{"Method": r.Method, "Body": value})
			return
		}
		fmt.Fprint(w, value)
	})
}

// connect tells how a connection fails by the first word of its message.
func connect(p *proc.Proc) int {
	var timeout time.Duration
	protocol, data := "tcp", "hostname"
	operands := flags(p, func(set *flag.FlagSet) {
		set.DurationVar(&timeout, "timeout", 0, "Maximum time before returning an error")
		set.StringVar(&protocol, "protocol", protocol, "tcp or udp")
		set.StringVar(&data, "udp-data", data, "The UDP payload to send")
	})
	failure := func(text string) int {
		fmt.Fprintln(p.Err(), text)
		return 1
	}
	if len(operands) != 1 || (protocol != "tcp" && protocol != "udp") {
		return failure("UNKNOWN: one host:port, protocol tcp or udp")
	}
	host, _, err := net.SplitHostPort(operands[0])
	if err != nil {
		return failure("UNKNOWN: " + err.Error())
	}
	ctx := p.Context()
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	if _, err := sock.Lookup(ctx, host); err != nil {
		return failure("DNS: " + err.Error())
	}
	conn, err := sock.Dial(ctx, protocol, operands[0])
	if err == nil {
		defer conn.Close()
		if protocol == "udp" {
			_, err = exchange(conn, data, timeout)
		}
	}
	switch {
	case err == nil:
		return 0
	case isTimeout(err):
		return failure("TIMEOUT")
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure("REFUSED")
	}
	return failure("OTHER: " + err.Error())
}

func isTimeout(err error) bool {
	var timed interface{ Timeout() bool }
	return errors.As(err, &timed) && timed.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// exchange sends a datagram and waits for one.
func exchange(conn net.Conn, text string, timeout time.Duration) (string, error) {
	if timeout > 0 {
		if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
			return "", err
		}
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	answer := make([]byte, 2048)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}
