"""OpenAI's own client against `freehold serve`: ADDRESS KEY MODEL. Says what does not hold and exits with 1."""

import sys

import openai

address, key, model = sys.argv[1:]
client = openai.OpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0)
messages = [{"role": "system", "content": "You are a desk."}, {"role": "user", "content": "My order is late."}]
settings = {"model": model, "temperature": 0, "max_tokens": 24}


def holds(what, truth):
    if not truth:
        sys.exit(f"{what} does not hold")


def fails(kind, code, call):
    try:
        call()
    except kind as error:
        holds(f"code {code} of {error!r}", error.code == code)
        return error
    sys.exit(f"{kind.__name__} was not raised")


names = [entry.id for entry in client.models.list()]
holds("the model is listed", model in names)
holds("the model is shown", client.models.retrieve(model).id == model)

whole = client.chat.completions.create(messages=messages, **settings)
holds("an answer", whole.choices[0].message.role == "assistant" and whole.choices[0].finish_reason in ("stop", "length"))
holds("usage", whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens)

chunks = list(
    client.chat.completions.create(
        messages=messages, stream=True, stream_options={"include_usage": True}, **settings
    )
)
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
holds("a stream says the same", text == whole.choices[0].message.content)
holds("a stream says its usage", chunks[-1].usage == whole.usage)

with client.chat.completions.with_streaming_response.create(messages=messages, **settings) as raw:
    holds("the adapter is named", raw.headers["freehold-adapter"].startswith("sha256:"))

told = client.completions.create(prompt="Once upon a time", seed=1, stop=["\n"], **settings)
holds("a text is continued", told.choices[0].text)
told = "".join(part.choices[0].text for part in client.completions.create(prompt="Once", stream=True, **settings))
holds("a text is continued as it comes", told)

with client.chat.completions.create(messages=messages, stream=True, **settings) as stream:
    next(iter(stream))  # and goes away

fails(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("gpt-4"))
fails(
    openai.NotFoundError,
    "model_not_found",
    lambda: client.chat.completions.create(**{**settings, "model": "gpt-4"}, messages=messages),
)
error = fails(
    openai.BadRequestError,
    "unsupported_parameter",
    lambda: client.chat.completions.create(messages=messages, n=2, **settings),
)
holds("the parameter is named", error.param == "n")
fails(
    openai.BadRequestError,
    "context_length_exceeded",
    lambda: client.completions.create(prompt="word " * 2000, **settings),
)
stranger = openai.OpenAI(base_url=f"http://{address}/v1", api_key="fh-wrong", max_retries=0)
fails(openai.AuthenticationError, "invalid_api_key", lambda: stranger.models.list())
