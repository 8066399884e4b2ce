// Package curve holds the result of a load test: the JSON document that package load writes and package plan reads.
//
// A [Document] has one [Step] for each offered rate or number of users. A search over rates adds the [Knee]. A search
// over several fleet sizes has one [Size], with its knee, for each of them. [Document.WriteJSON] writes a document and
// [Read] reads it back.
//
// Rates are per second and count what [Document.Unit] says. Latencies are in milliseconds. Shares are from 0 to 1.
package curve
