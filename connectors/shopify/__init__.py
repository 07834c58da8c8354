"""Shopify, by the Admin GraphQL API 2026-10."""

from connectors.shopify.client import Shopify, ShopifySettings

__all__ = ["Shopify", "ShopifySettings"]
