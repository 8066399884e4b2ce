import os

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
async def index():
    return os.environ["TENFOLD_NODE"]


@app.post("/", response_class=PlainTextResponse)
async def echo(request: Request):
    return await request.body()
