SECRET_KEY = "not secret: this is a test"
DEBUG = False
ALLOWED_HOSTS = ["*"]  # the gateway passes on the Host of the client
ROOT_URLCONF = "mysite.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
INSTALLED_APPS = []
