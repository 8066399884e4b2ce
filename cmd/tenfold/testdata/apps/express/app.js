// A service as a newcomer to Express writes it. It closes connections that rest for five seconds, which is what Node.js
// does unless it is told otherwise, and does nothing about SIGTERM.
const express = require('express')

const app = express()
app.use(express.text())
app.get('/', (req, res) => res.send(process.env.TENFOLD_NODE))
app.post('/', (req, res) => res.send(req.body))
app.listen(process.env.PORT, process.env.HOST)
