"""The bundled driver programs: each file is one program that speaks the line protocol on its standard streams."""
