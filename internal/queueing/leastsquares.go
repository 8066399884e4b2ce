package queueing

import "math"

// leastSquares is the problem of fitting the law to points. The throughput of one fleet size, `at`, is a parameter:
//
//	X(n) = x · (n / at) · D(at) / D(n)    with D(n) = 1 + α·(n-1) + β·n·(n-1)
//
// With at = 1, x is γ. With at = 40, x is the throughput of 40 nodes. So the interval of a predicted throughput is
// computed in the same way as the interval of a parameter.
type leastSquares struct {
	points   []Point
	at       float64
	relative bool // the error of a measurement is a percentage (residuals of logarithms), not a number of requests
}

// parameters are x, α and β, in this order.
type parameters [3]float64

var (
	lowerBound = parameters{math.SmallestNonzeroFloat64, 0, 0}
	upperBound = parameters{math.MaxFloat64, 1, 1}
)

// law returns the USL that parameters stand for.
func (ls leastSquares) law(p parameters) USL {
	u := USL{Alpha: p[1], Beta: p[2]}
	u.Gamma = p[0] * u.penalty(ls.at) / ls.at
	return u
}

// parameters returns the parameters of a USL. It is the inverse of law.
func (ls leastSquares) parameters(u USL) parameters {
	return parameters{u.Throughput(ls.at), u.Alpha, u.Beta}
}

func (ls leastSquares) residual(u USL, pt Point) float64 {
	x := u.Throughput(float64(pt.Nodes))
	if ls.relative {
		return math.Log(pt.Rate / x)
	}
	return pt.Rate - x
}

// sum returns the sum of squared residuals.
func (ls leastSquares) sum(p parameters) (sum float64) {
	u := ls.law(p)
	for _, pt := range ls.points {
		r := ls.residual(u, pt)
		sum += r * r
	}
	return sum
}

// gradient returns the derivatives of X(n), or of its logarithm if the error is relative, by each parameter.
func (ls leastSquares) gradient(u USL, p parameters, n float64) parameters {
	d, dAt := u.penalty(n), u.penalty(ls.at)
	g := parameters{
		1 / p[0],
		(ls.at-1)/dAt - (n-1)/d,
		ls.at*(ls.at-1)/dAt - n*(n-1)/d,
	}
	if !ls.relative {
		x := u.Throughput(n)
		g[0], g[1], g[2] = g[0]*x, g[1]*x, g[2]*x
	}
	return g
}

// normalEquations returns JᵀJ and Jᵀr at p, where J is the Jacobian and r the residuals.
func (ls leastSquares) normalEquations(p parameters) (jj [3][3]float64, jr parameters) {
	u := ls.law(p)
	for _, pt := range ls.points {
		g, r := ls.gradient(u, p, float64(pt.Nodes)), ls.residual(u, pt)
		for i := range g {
			jr[i] += g[i] * r
			for k := range g {
				jj[i][k] += g[i] * g[k]
			}
		}
	}
	return jj, jr
}

// minimise searches from p for the parameters with the least sum of squares within the bounds. It returns them and the
// sum. The method is Levenberg-Marquardt with projection: a parameter at a bound whose gradient points outwards keeps
// its value in that step. Parameters marked as fixed always keep their value.
func (ls leastSquares) minimise(p parameters, fixed [3]bool) (parameters, float64) {
	sum, damping := ls.sum(p), 1e-3
	for range 200 {
		jj, jr := ls.normalEquations(p)
		var free [3]bool
		for i := range free {
			pushedOut := p[i] <= lowerBound[i] && jr[i] <= 0 || p[i] >= upperBound[i] && jr[i] >= 0
			free[i] = !fixed[i] && !pushedOut
		}
		moved := false
		for damping < 1e16 {
			next, ok := step(p, jj, jr, free, damping)
			if s := ls.sum(next); ok && s < sum {
				moved = sum-s > 1e-14*sum
				p, sum, damping = next, s, max(damping/10, 1e-15)
				break
			}
			damping *= 10
		}
		if !moved {
			break
		}
	}
	return p, sum
}

// step solves (JᵀJ + damping·diag(JᵀJ))·δ = Jᵀr for the free parameters. It returns p + δ, clamped to the bounds, or
// false if the matrix is singular.
func step(p parameters, jj [3][3]float64, jr parameters, free [3]bool, damping float64) (parameters, bool) {
	for i := range jj {
		jj[i][i] *= 1 + damping
		if free[i] && jj[i][i] > 0 {
			continue
		}
		jj[i], jr[i] = [3]float64{}, 0
		for k := range jj {
			jj[k][i] = 0
		}
		jj[i][i] = 1
	}
	inverse, ok := invert(jj)
	if !ok {
		return p, false
	}
	for i := range p {
		var delta float64
		for k := range jr {
			delta += inverse[i][k] * jr[k]
		}
		p[i] = min(max(p[i]+delta, lowerBound[i]), upperBound[i])
	}
	return p, true
}

// invert returns the inverse of a symmetric positive definite matrix, or false if the matrix is singular. It scales the
// diagonal to 1 first, since β is a thousand times smaller than α, and x a thousand times larger than both.
func invert(m [3][3]float64) (inverse [3][3]float64, ok bool) {
	var scale [3]float64
	for i := range m {
		if scale[i] = math.Sqrt(m[i][i]); !(scale[i] > 0) {
			return inverse, false
		}
	}
	for i := range m {
		for k := range m {
			m[i][k] /= scale[i] * scale[k]
		}
	}
	cofactor := func(i, k int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (k+1)%3, (k+2)%3
		return m[a][c]*m[b][d] - m[a][d]*m[b][c]
	}
	det := m[0][0]*cofactor(0, 0) + m[0][1]*cofactor(0, 1) + m[0][2]*cofactor(0, 2)
	if !(det > 1e-14) {
		return inverse, false
	}
	for i := range m {
		for k := range m {
			inverse[i][k] = cofactor(k, i) / det / (scale[i] * scale[k])
		}
	}
	return inverse, true
}

// interval returns the profile-likelihood interval of parameter i: the values for which some choice of the other
// parameters keeps the sum of squares at or below limit. best holds the parameters with the least sum.
func (ls leastSquares) interval(best parameters, i int, limit float64) Interval {
	return Interval{ls.end(best, i, limit, -1), ls.end(best, i, limit, +1)}
}

// end returns one end of the interval of parameter i. It moves from the best value in growing steps until the sum
// exceeds the limit. Then it bisects the last step until the distance from the best value is known to 1 in 10,000.
func (ls leastSquares) end(best parameters, i int, limit float64, direction float64) float64 {
	var fixed [3]bool
	fixed[i] = true
	at := best // the last admissible parameters: the next search starts there
	admissible := func(v float64) bool {
		p := at
		p[i] = v
		p, sum := ls.minimise(p, fixed)
		if sum <= limit {
			at = p
		}
		return sum <= limit
	}

	bound := upperBound[i]
	if direction < 0 {
		bound = lowerBound[i]
	}
	if i == 0 { // x has no bound except zero: stop after six orders of magnitude
		bound = best[0] * math.Pow(10, 6*direction)
	}
	inside, outside := best[i], bound
	for width := max(best[i]/100, 1e-9); inside != bound; width *= 2 {
		v := best[i] + direction*width
		if (bound-v)*direction <= 0 {
			v = bound
		}
		if !admissible(v) {
			outside = v
			break
		}
		inside = v
	}
	switch {
	case inside != bound:
	case i == 0 && direction > 0:
		return math.Inf(1)
	case i == 0:
		return 0
	}
	for range 60 {
		if math.Abs(outside-inside) <= 1e-4*math.Abs(outside-best[i]) {
			break
		}
		if middle := (inside + outside) / 2; admissible(middle) {
			inside = middle
		} else {
			outside = middle
		}
	}
	return outside
}
