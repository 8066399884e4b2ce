package affinity

// evidence counts requests with a value of one cookie that is known: which node has set it.
type evidence struct {
	sameRenewed, sameKept   float64 // the request reached that node: it set a new value, or it did not
	otherRenewed, otherKept float64 // the request reached another node
	again                   float64 // of otherRenewed: the value before had come about in the same way
}

const (
	enoughAgain = 5  // values that must have changed with the node, again
	enoughSame  = 5  // requests that must have reached the node of their value
	timesAsMany = 10 // how much more often other nodes must renew values
)

// count counts a request. same says that it reached the node of its value, renewed that the response set another value,
// and changed that the value itself had replaced that of another node.
func (e *evidence) count(same, renewed, changed bool) {
	switch {
	case same && renewed:
		e.sameRenewed++
	case same:
		e.sameKept++
	case renewed:
		e.otherRenewed++
		if changed {
			e.again++
		}
	default:
		e.otherKept++
	}
	if e.sameRenewed+e.sameKept+e.otherRenewed+e.otherKept > forgetAt {
		for _, n := range []*float64{&e.sameRenewed, &e.sameKept, &e.otherRenewed, &e.otherKept, &e.again} {
			*n /= 2
		}
	}
}

// conclusive reports whether the nodes do not know the values of each other: another node renews a value far more often
// than its own node, and it happens to the same visitors again and again. With few requests on the own node, one renewal
// there is assumed to be half seen.
func (e *evidence) conclusive() bool {
	same, other := e.sameRenewed+e.sameKept, e.otherRenewed+e.otherKept
	if e.again < enoughAgain || same < enoughSame {
		return false
	}
	return e.otherRenewed/other >= timesAsMany*(e.sameRenewed+0.5)/(same+1)
}

// suspicious reports whether only requests on the own node are missing for a conclusion.
func (e *evidence) suspicious() bool {
	return e.again >= tryIssuer && e.sameRenewed+e.sameKept < 2*enoughSame && e.sameRenewed == 0
}
