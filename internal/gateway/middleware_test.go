package gateway

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// wrapping is a middleware as users write it: it wraps the request's body and the writer, and replaces the context.
func wrapping(next http.Handler) http.Handler {
	type key struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), key{}, "value"))
		r.Body = &wrappedBody{r.Body}
		next.ServeHTTP(&wrappedWriter{w}, r)
	})
}

type wrappedBody struct{ body io.ReadCloser }

func (b *wrappedBody) Read(p []byte) (int, error) { return b.body.Read(p) }
func (b *wrappedBody) Close() error               { return b.body.Close() }

type wrappedWriter struct{ w http.ResponseWriter }

func (w *wrappedWriter) Header() http.Header         { return w.w.Header() }
func (w *wrappedWriter) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w *wrappedWriter) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w *wrappedWriter) Unwrap() http.ResponseWriter { return w.w }

// A middleware between any two policies that wraps the request's body and the writer changes nothing: the tests of
// gRPC, WebSockets, early responses, and the reasons of refused and slow bodies pass with it.
func TestMiddlewareThatWrapsChangesNothing(t *testing.T) {
	between = wrapping
	defer func() { between = nil }()
	for name, test := range map[string]func(*testing.T){
		"gRPC":                                  TestGRPC,
		"gRPC, cancelled":                       TestGRPCCancelAndNoNode,
		"gRPC, silent":                          TestGRPCStreamMayBeSilent,
		"trailers":                              TestTrailersReachClientsWithTE,
		"WebSocket":                             TestWebSocket,
		"WebSocket, close codes":                TestWebSocketCloseCodes,
		"WebSocket, drain":                      TestDrainClosesWebSockets,
		"upgrade, early data":                   TestUpgradeWithEarlyData,
		"upgrade, refused":                      TestUpgradeThatIsRefused,
		"full duplex":                           TestFullDuplexOverHTTP1,
		"early response":                        TestEarlyResponseLosesNoByteOfTheUpload,
		"early refusal, stalled client":         TestEarlyRefusalReachesAClientThatStalls,
		"early refusal, large upload":           TestEarlyRefusalOfALargeUpload,
		"node fails during the upload":          TestNodeFailsWhileTheClientPauses,
		"client disconnects":                    TestClientDisconnectsBeforeTheResponse,
		"103":                                   TestEarlyHints,
		"100":                                   TestExpectContinue,
		"events":                                TestServerSentEvents,
		"malformed requests and bodies":         TestBadInput,
		"malformed requests, HTTP/2":            TestBadInputHTTP2,
		"large, slow and broken bodies, HTTP/2": TestBadBodiesHTTP2,
		"a key, slow body":                      TestBodyThatNeverEndsUnderAKey,
		"a key, another node":                   TestKeyedRequestIsSentToAnotherNode,
		"a key, large bodies":                   TestLargeBinaryBodiesUnderAKey,
		"rewritten paths":                       TestRewrittenPaths,
		"WebSocket, stripped prefix":            TestWebSocketThroughStripPrefix,
		"changed headers":                       TestHeaderChanges,
		"basic auth":                            TestBasicAuth,
		"CORS":                                  TestCORS,
		"pause":                                 TestPause,
		"error pages":                           TestErrorPages,
		"request ids":                           TestRequestID,
		"exposed node":                          TestExposeNode,
	} {
		t.Run(name, test)
	}
}

// The middleware of Options sees each request that the common policies let pass, and may answer it.
func TestMiddlewareOfOptions(t *testing.T) {
	var seen atomic.Int64
	f := startWith(t, "services: {shop: {nodes: [\""+named(t, "shop")+"\"]}}", Options{Middleware: []func(http.Handler) http.Handler{
		wrapping,
		func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen.Add(1)
				if r.Header.Get("X-Forwarded-For") != "127.0.0.1" {
					t.Errorf("the middleware saw the header %v", r.Header)
				}
				if r.URL.Path == "/teapot" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				next.ServeHTTP(w, r)
			})
		},
	}})
	for path, want := range map[string]int{"/teapot": 418, "/p": 200, "/../p": 400} {
		nc := dial(t, f.addr)
		io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v, %v; want %d", path, resp, err, want)
		}
	}
	if n := seen.Load(); n != 2 {
		t.Errorf("the middleware saw %d requests of 2 that were in order", n)
	}
}
