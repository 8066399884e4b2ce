// Package load offers an HTTP service a known load and measures what becomes of it.
//
// The load is open by default: visits begin when the schedule says so, whether or not earlier ones have been answered,
// and a latency counts from that intended moment. So a target that stalls is seen to stall, by every visitor who came
// meanwhile. [Generator.Rate] measures one rate, [Generator.Users] a fixed number of users who wait for each answer,
// [Generator.Sweep] looks for the knee: the highest rate that the target carries.
//
// A step that the generator cannot vouch for is marked as invalid and says why.
package load
