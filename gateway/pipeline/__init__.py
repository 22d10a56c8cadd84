"""What happens to an intent, in order. Read ``run.py`` first: it reads as the path, one short step per file.

    identify → admit → resolve → inspect → decide → open → assemble → attempt → screen → close

``intent.py`` holds what travels along the path, ``services.py`` what the steps may use, ``stream.py`` the path's second half for a streamed answer.
"""
