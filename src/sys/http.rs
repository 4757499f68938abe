//! HTTP over rustls with the machine's certificate authorities; proxies as the environment says.
