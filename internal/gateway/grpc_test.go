package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// text is the message of the test service.
type text = wrapperspb.StringValue

// serveGRPC starts a node with the service test.Echo: Say responds once, Chat responds to each message, Hang never
// ends.
func serveGRPC(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	say := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in text
		if err := decode(&in); err != nil {
			return nil, err
		}
		md, _ := metadata.FromIncomingContext(ctx)
		grpc.SetHeader(ctx, metadata.Pairs("x-seen", strings.Join(md["x-mine"], ",")))
		grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "at the end", "x-proto", strings.Join(md["x-forwarded-proto"], ",")))
		if in.Value == "refuse" {
			return nil, status.Error(codes.FailedPrecondition, "not today: ä")
		}
		return wrapperspb.String("you said " + in.Value), nil
	}
	chat := func(_ any, s grpc.ServerStream) error {
		for {
			var in text
			if err := s.RecvMsg(&in); err == io.EOF {
				s.SetTrailer(metadata.Pairs("x-trailer", "at the end"))
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(wrapperspb.String("you said " + in.Value)); err != nil {
				return err
			}
		}
	}
	hang := func(_ any, s grpc.ServerStream) error {
		s.SendHeader(nil)
		<-s.Context().Done()
		return s.Context().Err()
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(16 << 20))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Chat", Handler: chat, ClientStreams: true, ServerStreams: true},
			{StreamName: "Hang", Handler: hang, ClientStreams: true, ServerStreams: true},
		},
	}, struct{}{})
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

func dialGRPC(t testing.TB, f *front, a *authority) (context.Context, *grpc.ClientConn) {
	t.Helper()
	how := insecure.NewCredentials()
	if a != nil {
		how = credentials.NewClientTLSFromCert(a.pool, "shop.example")
	}
	c, err := grpc.NewClient(f.addr, grpc.WithTransportCredentials(how), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(func() { cancel(); c.Close() })
	return ctx, c
}

var bothWays = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

func TestGRPC(t *testing.T) {
	a, top := secure(t)
	for name, c := range map[string]struct {
		a   *authority
		top string
	}{"TLS": {a, top}, "h2c": {nil, "h2c: on"}} {
		t.Run(name, func(t *testing.T) {
			f := start(t, c.top, "probe: off", serveGRPC(t))
			ctx, conn := dialGRPC(t, f, c.a)
			t.Run("unary", func(t *testing.T) {
				var out text
				var header, trailer metadata.MD
				ctx := metadata.AppendToOutgoingContext(ctx, "x-mine", "yes")
				if err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String("hello"), &out, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
					t.Fatal(err)
				}
				proto := map[string]string{"TLS": "https", "h2c": "http"}[name]
				if out.Value != "you said hello" || fmt.Sprint(header["x-seen"], trailer["x-trailer"], trailer["x-proto"]) != "[yes] [at the end] ["+proto+"]" {
					t.Errorf("got %q, header %v, trailer %v", out.Value, header, trailer)
				}
				if len(header["x-trailer"]) > 0 {
					t.Error("the trailer was merged into the header")
				}
			})
			t.Run("large", func(t *testing.T) {
				var out text
				in := strings.Repeat("large ", 1<<20)
				if err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String(in), &out); err != nil || out.Value != "you said "+in {
					t.Errorf("%d bytes, %v", len(out.Value), err)
				}
			})
			t.Run("status", func(t *testing.T) {
				err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String("refuse"), &text{})
				if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not today: ä" {
					t.Errorf("got %v", err)
				}
				if err := conn.Invoke(ctx, "/test.Echo/No", &text{}, &text{}); status.Code(err) != codes.Unimplemented {
					t.Errorf("unknown method: %v", err)
				}
			})
			t.Run("stream", func(t *testing.T) {
				s, err := conn.NewStream(ctx, bothWays, "/test.Echo/Chat")
				if err != nil {
					t.Fatal(err)
				}
				for i := range 20 { // each response before the next message
					var out text
					m := fmt.Sprint("message ", i)
					if err := s.SendMsg(wrapperspb.String(m)); err != nil {
						t.Fatal(err)
					}
					if err := s.RecvMsg(&out); err != nil || out.Value != "you said "+m {
						t.Fatalf("got %q, %v", out.Value, err)
					}
				}
				s.CloseSend()
				if err := s.RecvMsg(&text{}); err != io.EOF || len(s.Trailer()["x-trailer"]) != 1 {
					t.Errorf("after the last message: %v, trailer %v", err, s.Trailer())
				}
			})
			if n := f.InFlight("shop-1"); n != 0 {
				await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })
			}
		})
	}
}

// A gRPC stream may be silent for longer than the limits of request bodies and of responses.
func TestGRPCStreamMayBeSilent(t *testing.T) {
	a, top := secure(t)
	f := start(t, top+"limits: {body_grace: 50ms}", "probe: off\ntimeout: 50ms", serveGRPC(t))
	ctx, conn := dialGRPC(t, f, a)
	s, err := conn.NewStream(ctx, bothWays, "/test.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var out text
		if err := s.SendMsg(wrapperspb.String("hello")); err != nil {
			t.Fatal(err)
		}
		if err := s.RecvMsg(&out); err != nil || out.Value != "you said hello" {
			t.Fatalf("got %q, %v", out.Value, err)
		}
		time.Sleep(200 * time.Millisecond) // the silence
	}
}

// A call that the client cancels frees the slot of the node. A gateway without nodes responds Unavailable, which gRPC
// clients may retry.
func TestGRPCCancelAndNoNode(t *testing.T) {
	a, top := secure(t)
	f := start(t, top, "probe: off", serveGRPC(t))
	ctx, conn := dialGRPC(t, f, a)
	hung, cancel := context.WithCancel(ctx)
	s, err := conn.NewStream(hung, bothWays, "/test.Echo/Hang")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Header(); err != nil { // before any message
		t.Fatal(err)
	}
	if n := f.InFlight("shop-1"); n != 1 {
		t.Errorf("%d requests in flight", n)
	}
	cancel()
	await(t, "the node is free", func() bool { return f.InFlight("shop-1") == 0 })

	f.Update(setOf("shop"))
	await(t, "there are no nodes", func() bool { return len(f.Nodes("shop")) == 0 })
	if err := conn.Invoke(ctx, "/test.Echo/Say", &text{}, &text{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without a node: %v", err)
	}
}

// After a gateway has ended, no gRPC connection to a node is open.
func TestGRPCConnectionsEndWithTheGateway(t *testing.T) {
	a, top := secure(t)
	node := serveGRPC(t)
	before := runtime.NumGoroutine()
	for range 5 {
		f := start(t, top, "probe: off", node)
		ctx, conn := dialGRPC(t, f, a)
		if err := conn.Invoke(ctx, "/test.Echo/Say", &text{}, &text{}); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		f.kill()
	}
	await(t, "their goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// A client of gRPC gets a status of gRPC for what the gateway refuses, as a response without a body (Trailers-Only).
func TestGRPCRefusals(t *testing.T) {
	a, top := secure(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and does not respond
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	f := startFile(t, top+fmt.Sprintf(`
services:
  shop: {nodes: [%q], probe: off}
  hung: {nodes: [%q], probe: off, timeout: 100ms, retry: off}
  none: {nodes: [%[2]q], probe: off}
routes:
  - {path: /test.Echo, to: shop}
  - {path: /limited, to: shop, rate_limit: 1/h}
  - {path: /none, to: none}
  - {path: /hung, to: hung}
`, serveGRPC(t), silent.Addr()))
	f.Update(setOf("none"))
	await(t, "there are no nodes", func() bool { return len(f.Nodes("none")) == 0 })
	ctx, conn := dialGRPC(t, f, a)
	for _, row := range []struct {
		method string
		want   codes.Code
		text   string
	}{
		{"/unknown/Method", codes.Unimplemented, "no_route: no route matches the request"},
		{"/hung/Method", codes.DeadlineExceeded, "timeout: "},
		{"/none/Method", codes.Unavailable, "no_node: "},
		{"/limited/Method", codes.Unimplemented, "unknown service"}, // of the node
		{"/limited/Method", codes.ResourceExhausted, "rate_limit"},
		{"/limited;x/../Method", codes.Internal, "path: "},
	} {
		err := conn.Invoke(ctx, row.method, &text{}, &text{})
		if got := status.Convert(err); got.Code() != row.want || !strings.Contains(got.Message(), row.text) {
			t.Errorf("%s: got %v, want %v %q", row.method, err, row.want, row.text)
		}
	}

	c := dialFrames(t, f.addr, a)
	c.request(t, true, ":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/unknown", "content-type", "application/grpc+proto", "te", "trailers")
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		head, ok := frame.(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		fields := map[string]string{}
		for _, field := range head.Fields {
			fields[field.Name] = field.Value
		}
		if fields[":status"] != "200" || fields["grpc-status"] != "12" || fields["content-type"] != "application/grpc+proto" || !head.StreamEnded() {
			t.Errorf("got %v, ended: %v", fields, head.StreamEnded())
		}
		break
	}
}
