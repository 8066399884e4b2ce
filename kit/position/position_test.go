package position

import (
	"testing"
)

func TestPositionsAreOrderedByTimelineThenOffset(t *testing.T) {
	ordered := []Position{{}, {0, 1}, {0, 1 << 40}, {1, 0}, {1, 9}, {1, 10}, {16, 0}, Primary}
	for i, p := range ordered {
		for j, q := range ordered {
			if p.Before(q) != (i < j) {
				t.Errorf("%v.Before(%v) = %t", p, q, p.Before(q))
			}
			if want := ordered[max(i, j)]; Later(p, q) != want {
				t.Errorf("Later(%v, %v) = %v, want %v", p, q, Later(p, q), want)
			}
		}
	}
}

func TestPositionAsText(t *testing.T) {
	for p, want := range map[Position]string{{}: "none", Primary: "primary", {1, 0x3000060}: "1/3000060"} {
		if p.String() != want {
			t.Errorf("got %q, want %q", p, want)
		}
	}
}

func TestReadKeepsTheEarliestReport(t *testing.T) {
	ctx, read := WithRead(t.Context(), Position{1, 5})
	if Needed(ctx) != (Position{1, 5}) {
		t.Errorf("needed %v", Needed(ctx))
	}
	if read.At() != (Position{}) {
		t.Errorf("a read without a report is at %v", read.At())
	}
	for _, p := range []Position{Primary, {1, 7}, {1, 9}} {
		Report(ctx, p)
	}
	if read.At() != (Position{1, 7}) {
		t.Errorf("read at %v, want 1/7", read.At())
	}
}

func TestNestedReadDoesNotReportToTheOuterOne(t *testing.T) {
	outer, outerRead := WithRead(t.Context(), Position{1, 1})
	inner, innerRead := WithRead(outer, Primary)
	Report(inner, Primary)
	if outerRead.At() != (Position{}) || innerRead.At() != Primary || Needed(inner) != Primary {
		t.Errorf("outer %v, inner %v, needed %v", outerRead.At(), innerRead.At(), Needed(inner))
	}
}

func TestContextWithoutPositions(t *testing.T) {
	Report(t.Context(), Primary) // has no effect
	if Needed(t.Context()) != (Position{}) || Committed(t.Context()) != (Position{}) {
		t.Error("a plain context carries a position")
	}
}

func TestCommittedKeepsTheLaterCommit(t *testing.T) {
	ctx := WithCommitted(WithCommitted(t.Context(), Position{1, 9}), Position{1, 4})
	if Committed(ctx) != (Position{1, 9}) {
		t.Errorf("committed %v, want 1/9", Committed(ctx))
	}
}
