package policy

import "testing"

func TestFinalStatuses(t *testing.T) {
	for status, want := range map[int]bool{
		100: false, 101: false, 200: true, 201: true, 204: true, 303: true, 400: true, 401: false, 402: true, 403: false,
		404: true, 408: false, 409: false, 410: true, 422: true, 423: false, 425: false, 429: false, 499: true, 500: false,
		503: false, 0: false,
	} {
		if final(status) != want {
			t.Errorf("%d: %t", status, !want)
		}
	}
}
