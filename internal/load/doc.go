// Package load sends an HTTP service a known load and measures latency, throughput and errors.
//
// The load is open by default: visits begin at the times of a schedule, whether or not earlier visits have ended. A
// latency counts from the scheduled time. So the latencies of a stalled target include the wait of every visitor who
// arrived during the stall. In closed load, a fixed number of users wait for each response.
//
// A [Generator] makes the load. [Generator.Run] measures one rate or one number of users, or searches for the knee: the
// highest rate at which the objective passes. It returns a [curve.Document]. [Scaling] combines the documents of
// several fleet sizes.
//
// A step whose results are not credible is marked as invalid, with the reasons.
package load
