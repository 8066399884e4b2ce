# A Flask service as its quickstart has it.
import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def index():
    return os.environ["TENFOLD_NODE"]


@app.post("/")
def echo():
    return request.get_data()
