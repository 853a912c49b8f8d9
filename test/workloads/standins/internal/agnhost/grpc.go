package agnhost

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sock"
)

// Codes of gRPC, and states of its health protocol.
const (
	grpcOK            = 0
	grpcInvalid       = 3
	grpcNotFound      = 5
	grpcUnimplemented = 12
	serving           = 1
	notServing        = 2
	maxRequest        = 4096
	frameHeader       = 5
)

type healthServer struct {
	started time.Time
	service string
	// delay is how long it is healthy; negative: for ever.
	delay time.Duration
	// forced is 0, or what an HTTP request has set.
	forced atomic.Int32
}

// grpcHealth serves grpc.health.v1.Health/Check over HTTP/2 without TLS: one unary method, so net/http is enough.
func grpcHealth(p *proc.Proc) int {
	port, httpPort, delay := 5000, 8080, -1
	s := &healthServer{started: time.Now()}
	flags(p, func(set *flag.FlagSet) {
		set.IntVar(&port, "port", port, "Port number.")
		set.IntVar(&httpPort, "http-port", httpPort, "Port number for the /make-serving and /make-not-serving.")
		set.IntVar(&delay, "delay-unhealthy-sec", delay, "Number of seconds to delay before start reporting NOT_SERVING, negative value indicates never.")
		set.StringVar(&s.service, "service", "", "Service name to register the health check for.")
	})
	s.delay = time.Duration(delay) * time.Second
	control := http.NewServeMux()
	for path, state := range map[string]int32{"/make-not-serving": notServing, "/make-serving": serving} {
		control.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			s.forced.Store(state)
			fmt.Fprint(w, time.Since(s.started))
		})
	}
	ended := make(chan int, 2)
	go func() {
		log.Printf("Http server starting to listen on :%d", httpPort)
		ended <- serve(p, httpPort, control)
	}()
	go func() {
		listener, err := sock.Listen(fmt.Sprintf(":%d", port))
		if err == nil {
			log.Printf("gRPC server starting to listen on :%d", port)
			server := &http.Server{Handler: s, Protocols: &http.Protocols{}}
			server.Protocols.SetUnencryptedHTTP2(true)
			err = server.Serve(listener)
		}
		log.Printf("Error while starting the gRPC server: %v", err)
		ended <- 1
	}()
	return <-ended
}

func (s *healthServer) state() byte {
	if forced := s.forced.Load(); forced != 0 {
		return byte(forced)
	}
	if s.delay >= 0 && time.Since(s.started) >= s.delay {
		return notServing
	}
	return serving
}

func (s *healthServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	finish := func(code int, message string) {
		w.Header().Set("Grpc-Status", strconv.Itoa(code))
		w.Header().Set("Grpc-Message", message)
	}
	if r.URL.Path != "/grpc.health.v1.Health/Check" {
		finish(grpcUnimplemented, "unimplemented")
		return
	}
	service, ok := requestedService(r.Body)
	if !ok {
		finish(grpcInvalid, "bad request")
		return
	}
	log.Printf("Serving the Check request for health check, started at %v", s.started)
	if service != s.service {
		finish(grpcNotFound, "unknown service")
		return
	}
	// A frame that is not compressed, two bytes long: field 1, a varint.
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, s.state()})
	finish(grpcOK, "")
}

// requestedService reads the frame of a HealthCheckRequest, whose field 1 is the service's name.
func requestedService(body io.Reader) (string, bool) {
	header := make([]byte, frameHeader)
	if _, err := io.ReadFull(body, header); err != nil {
		return "", false
	}
	size := binary.BigEndian.Uint32(header[1:])
	if header[0] != 0 || size > maxRequest {
		return "", false
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(body, message); err != nil {
		return "", false
	}
	if len(message) == 0 {
		return "", true
	}
	length, n := binary.Uvarint(message[1:])
	if message[0] != 1<<3|2 || n <= 0 || length != uint64(len(message)-1-n) {
		return "", false
	}
	return string(message[1+n:]), true
}
