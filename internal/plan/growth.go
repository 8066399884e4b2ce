package plan

import (
	"math"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Forecast is where monthly growth leads.
type Forecast struct {
	Growth         float64 `json:"growth"` // per month
	Months         int     `json:"months"`
	Factor         float64 `json:"factor"` // (1 + growth)^months
	Users          int     `json:"users,omitempty"`
	RequestsPerDay float64 `json:"requests_per_day,omitempty"`
	MeanRPS        float64 `json:"mean_rps,omitempty"`
	PeakRPS        float64 `json:"peak_rps,omitempty"` // the peak to plan for, in the unit of what was measured
}

// Defaults for what a user does, when only the number of users is known.
const (
	requestsPerUser = 100.0 // per day
	peakFactor      = 3.0   // the busiest minute over the day's mean
)

// forecast lets what is known grow, and returns the peak to plan for: 0 when nothing says it.
func (q Question) forecast(a *Answer) (peak float64) {
	f := Forecast{Months: q.Months, Factor: 1}
	if q.Growth != nil {
		f.Growth = float64(*q.Growth)
		f.Factor = math.Pow(1+f.Growth, float64(q.Months))
	}
	peak = float64(q.PeakRPS)
	switch {
	case q.Users > 0:
		q.forecastUsers(a, &f)
		if peak == 0 {
			peak = f.PeakRPS
		}
	case q.Growth != nil:
		today := peak
		if today == 0 {
			today = float64(q.CurrentRPS)
		}
		peak = today * f.Factor
		f.PeakRPS = peak
		a.because(aboutGrowth, "%s today, growing %s a month for %d months, are %s × %s = %s",
			q.rate(today), report.Percent(f.Growth), f.Months, report.Number(today), report.Number(f.Factor), q.rate(peak))
	default:
		return peak
	}
	a.Forecast = &f
	if f.Growth > 0 && f.Months > 0 {
		a.change(aboutGrowth, "the pace: at %s a month the factor is %s, at %s it is %s",
			report.Percent(f.Growth/2), report.Number(math.Pow(1+f.Growth/2, float64(f.Months))),
			report.Percent(f.Growth*1.5), report.Number(math.Pow(1+f.Growth*1.5, float64(f.Months))))
	}
	return peak
}

func (q Question) forecastUsers(a *Answer, f *Forecast) {
	each, busiest := q.RequestsPerUser, q.PeakFactor
	if each == 0 {
		each = requestsPerUser
		a.assume(aboutGrowth, "a user sends %s requests a day (--requests-per-user)", report.Number(each))
	}
	if busiest == 0 {
		busiest = peakFactor
		a.assume(aboutGrowth, "the busiest minute has %s times the day's mean rate (--peak-factor)", report.Number(busiest))
	}
	users := float64(q.Users) * f.Factor
	f.Users = int(math.Ceil(users - 1e-6))
	f.RequestsPerDay = math.Round(users * each)
	f.MeanRPS = users * each / (24 * 3600)
	f.PeakRPS = f.MeanRPS * busiest
	if f.Months > 0 {
		a.because(aboutGrowth, "%s users, growing %s a month for %d months, are %s users",
			report.Number(float64(q.Users)), report.Percent(f.Growth), f.Months, report.Number(float64(f.Users)))
	}
	a.because(aboutGrowth, "%s users with %s requests a day each are %s requests a day: %s rps in the mean, %s rps at the peak",
		report.Number(float64(f.Users)), report.Number(each), report.Number(f.RequestsPerDay), report.Number(f.MeanRPS), report.Number(f.PeakRPS))
	if q.unit() == visitsUnit {
		f.PeakRPS = q.inVisits(a, f.PeakRPS)
	}
	if q.PeakRPS > 0 {
		a.because(aboutGrowth, "the peak that was asked for, %s, is planned, not this one", q.rate(float64(q.PeakRPS)))
		f.PeakRPS = float64(q.PeakRPS)
	}
}

// inVisits is how many visits a second make so many requests.
func (q Question) inVisits(a *Answer, requests float64) float64 {
	each := q.Measured.perVisit()
	if each == 0 {
		a.warn(aboutGrowth, "what was measured counts visits and does not say how many requests one made: each request is "+
			"taken for a visit")
		return requests
	}
	a.because(aboutGrowth, "what was measured counts visits, of %s requests each: %s", report.Number(math.Round(10*each)/10), q.rate(requests/each))
	return requests / each
}
