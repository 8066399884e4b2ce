require "sinatra/base"

class App < Sinatra::Base
  get("/") { ENV.fetch("TENFOLD_NODE") }
  post("/") { request.body.read }
end

run App
