"""What the configuration says of one Amazon account, and of the queue it is told of changes in."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from core.settings import PLACEHOLDER, ChannelSettings, Secret, WebAddress, wrong

_AT_AWS = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com")


class AmazonSettings(ChannelSettings):
    """One Amazon seller account in one marketplace."""

    seller_id: Annotated[str, Field(pattern=r"^[A-Z0-9]+$", examples=["A1EXAMPLE2SELLER"]), PLACEHOLDER]
    """The seller's id (merchant token), from Seller Central under Account Info."""
    marketplace_id: Annotated[str, Field(pattern=r"^[A-Z0-9]+$", examples=["ATVPDKIKX0DER"])]
    """The marketplace this account sells in; ATVPDKIKX0DER is amazon.com."""
    region: Literal["na", "eu", "fe"] = "na"
    """The API's region: na North and South America, eu Europe, Middle East, Africa and India, fe Far East."""
    client_id: Annotated[str, Field(min_length=1, examples=["amzn1.application-oa2-client.example"]), PLACEHOLDER]
    """The application's Login with Amazon client id."""
    client_secret: Secret
    """The application's Login with Amazon client secret."""
    refresh_token: Secret
    """The refresh token the seller's authorisation of the application gave."""
    pace: Annotated[float, Field(gt=0)] = 1.0
    """Multiplies the vendor's default request rates, where Amazon granted the account more."""
    landing_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long an accepted quantity may take to show in its listing before it is pushed again, in seconds."""
    poll_seconds: Annotated[int, Field(ge=1, le=86_400)] = 240
    """How often Amazon is asked for changed orders, in seconds. The usage plan allows one request in 180: what polling
    less often leaves is what the daily reconciliation and a backfill read with."""
    queue_url: Annotated[
        str,
        Field(
            pattern=r"^(https?://[^/\s]+/[0-9]{12}/[A-Za-z0-9_-]{1,80})?$",
            examples=["https://sqs.us-east-1.amazonaws.com/123456789012/ordersync"],
        ),
    ] = ""
    """The SQS queue Amazon tells changed orders to, for this account alone (see docs/hints.md); needs the extra
    `amazon-notifications`. Not set: orders are found by polls."""
    aws_region: Annotated[str, Field(pattern=r"^([a-z]{2}(-[a-z]+)+-[0-9])?$", examples=["us-east-1"])] = ""
    """The AWS region of the queue, where its address does not say it."""
    aws_access_key_id: Secret | None = None
    """The access key of an AWS user who may take messages out of the queue. Not set: AWS's own ways are gone (an
    instance's role, AWS_PROFILE and so on)."""
    aws_secret_access_key: Secret | None = None
    """The secret that belongs to `aws_access_key_id`."""
    sqs_url: WebAddress | None = None
    """Address of SQS, where it is not Amazon's own: a test's."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise wrong("half of an AWS access key", "set aws_access_key_id and aws_secret_access_key, or neither")
        if self.queue_url and not self.queue_region:
            raise wrong("the queue's region is not known", "set aws_region")
        return self

    @property
    def queue_region(self) -> str:
        """The queue's region; empty where neither key says it."""
        at_aws = _AT_AWS.fullmatch(urlsplit(self.queue_url).hostname or "")
        return self.aws_region or (at_aws[1] if at_aws else "")

    @property
    def queue_arn(self) -> str:
        """The queue as the Notifications API names it."""
        account, name = self.queue_url.rsplit("/", 2)[1:]
        return f"arn:aws:sqs:{self.queue_region}:{account}:{name}"
