FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY requirements.txt constraints.txt ./
# An index that serves torch's CPU build saves gigabytes: docker compose build --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install "$(grep '^torch==' requirements.txt)" && pip install -r requirements.txt
COPY . .
RUN useradd --create-home shop && mkdir /data && chown shop /data
USER shop
ENV NEARSHELF_DATA=/data
EXPOSE 8000
CMD ["gunicorn", "config.wsgi:application", "--bind", "0.0.0.0:8000"]
