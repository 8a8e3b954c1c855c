"""How the models of the zoo are made: each module trains one of them on drawn faces."""
