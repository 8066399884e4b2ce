package plan

import "math"

// Forecast is the result of monthly growth, and the rate that users cause.
type Forecast struct {
	Growth         float64 `json:"growth"` // per month
	Months         int     `json:"months"`
	Factor         float64 `json:"factor"` // (1 + growth)^months
	Users          int     `json:"users,omitempty"`
	RequestsPerDay float64 `json:"requests_per_day,omitempty"`
	MeanRPS        float64 `json:"mean_rps,omitempty"`
	PeakRPS        float64 `json:"peak_rps,omitempty"` // the peak to plan for, in the unit of the load document

	today       float64 // rate that grows; 0 if users grow
	perUser     float64 // requests of a user per day
	peakFactor  float64
	requestPeak float64 // requests per second in the busiest minute; 0 if the number of users is not known
	perVisit    float64 // requests of a visit; 0 if rates do not count visits or the load document has no request rates
}

// Defaults for a user.
const (
	defaultRequestsPerUser = 100.0 // per day
	defaultPeakFactor      = 3.0   // rate of the busiest minute over the mean of the day
)

// forecast returns the growth, or nil if the inputs have none, and the peak to plan for, or 0 if it is not known.
func forecast(in Inputs) (*Forecast, float64) {
	f := &Forecast{Months: in.Months, Factor: 1}
	if in.Growth != nil {
		f.Growth = float64(*in.Growth)
		f.Factor = growthFactor(f.Growth, in.Months)
	}
	peak := float64(in.PeakRPS)
	switch {
	case in.Users > 0:
		f.forecastUsers(in)
		if peak > 0 {
			f.PeakRPS = peak
		}
	case in.Growth != nil:
		if f.today = peak; f.today == 0 {
			f.today = float64(in.CurrentRPS)
		}
		f.PeakRPS = f.today * f.Factor
	default:
		return nil, peak
	}
	return f, f.PeakRPS
}

func growthFactor(growth float64, months int) float64 { return math.Pow(1+growth, float64(months)) }

// forecastUsers sets the rates that the users cause.
func (f *Forecast) forecastUsers(in Inputs) {
	if f.perUser = in.RequestsPerUser; f.perUser == 0 {
		f.perUser = defaultRequestsPerUser
	}
	if f.peakFactor = in.PeakFactor; f.peakFactor == 0 {
		f.peakFactor = defaultPeakFactor
	}
	users := float64(in.Users) * f.Factor
	f.Users = int(math.Ceil(users - 1e-6))
	f.RequestsPerDay = math.Round(users * f.perUser)
	f.MeanRPS = users * f.perUser / (24 * 3600)
	f.requestPeak = f.MeanRPS * f.peakFactor
	f.PeakRPS = f.requestPeak
	if in.countsVisits() {
		if f.perVisit = requestsPerVisit(in.Measured); f.perVisit > 0 {
			f.PeakRPS = f.requestPeak / f.perVisit
		}
	}
}
