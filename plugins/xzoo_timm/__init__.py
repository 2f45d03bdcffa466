"""All of timm's classification networks as one family, `timm/NAME[.tag]`: figures from `catalogue.json`, the rest observed."""
